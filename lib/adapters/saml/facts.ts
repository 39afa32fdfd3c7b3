import type { XmlElement } from '@xmldom/xmldom/lib/dom-parser.js';
import type { SamlAnswer, SamlAuthn, SamlConfirmation } from './answer.ts';
import { allOf, childrenOf, parseXml } from './parse.ts';
import { Refused } from './refusal.ts';
import { is } from './shape.ts';

const ASSERTION = 'urn:oasis:names:tc:SAML:2.0:assertion';

/**
 * What an answer says, read from the canonical bytes that were signed and from nothing else. The form
 * was seen before (shape.ts); here only what is read must be readable. Throws Refused.
 */
export function readFacts(signed: string): Omit<SamlAnswer, 'doubted'> {
  const response = parseXml(signed);
  const assertion = one(response, 'Assertion');
  const subject = one(assertion, 'Subject');
  const conditions = one(assertion, 'Conditions');
  const nameId = all(subject, 'NameID')[0];
  return {
    issuer: textOf(one(response, 'Issuer')),
    destination: response.getAttribute('Destination') || null,
    inResponseTo: response.getAttribute('InResponseTo') || null,
    assertion: {
      id: assertion.getAttribute('ID') ?? '',
      issuer: textOf(one(assertion, 'Issuer')),
      subject:
        nameId === undefined
          ? null
          : { nameId: textOf(nameId), format: nameId.getAttribute('Format') || null },
      confirmations: all(subject, 'SubjectConfirmation').map(readConfirmation),
      notBefore: timeOf(conditions, 'NotBefore'),
      notOnOrAfter: timeOf(conditions, 'NotOnOrAfter'),
      audiences: all(conditions, 'AudienceRestriction').map((each) =>
        all(each, 'Audience').map(textOf),
      ),
      authn: all(assertion, 'AuthnStatement').map(readAuthn),
      attributes: readAttributes(assertion),
    },
  };
}

function readConfirmation(confirmation: XmlElement): SamlConfirmation {
  const data = all(confirmation, 'SubjectConfirmationData')[0] ?? null;
  return {
    method: confirmation.getAttribute('Method') ?? '',
    recipient: data?.getAttribute('Recipient') || null,
    inResponseTo: data?.getAttribute('InResponseTo') || null,
    notBefore: data === null ? null : timeOf(data, 'NotBefore'),
    notOnOrAfter: data === null ? null : timeOf(data, 'NotOnOrAfter'),
  };
}

function readAuthn(statement: XmlElement): SamlAuthn {
  const instant = timeOf(statement, 'AuthnInstant');
  if (instant === null) throw new Refused('unreadable_time');
  const classes = [...allOf(statement)].filter((each) =>
    is(each, ASSERTION, 'AuthnContextClassRef'),
  );
  const [contextClass] = classes;
  return {
    instant,
    contextClass: contextClass === undefined ? null : textOf(contextClass),
    sessionNotOnOrAfter: timeOf(statement, 'SessionNotOnOrAfter'),
  };
}

function readAttributes(assertion: XmlElement): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, readonly string[]>();
  for (const statement of all(assertion, 'AttributeStatement')) {
    for (const attribute of all(statement, 'Attribute')) {
      const name = attribute.getAttribute('Name') ?? '';
      const values = all(attribute, 'AttributeValue').filter(
        (each) => childrenOf(each).length === 0,
      );
      // An attribute in two parts is one with all their values, so that neither part hides the other.
      found.set(name, [...(found.get(name) ?? []), ...values.map(textOf)]);
    }
  }
  return found;
}

/** Of times in UTC, as SAML has them, to any fraction of a second. */
const TIME = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?Z$/;

function timeOf(element: XmlElement, attribute: string): number | null {
  if (!element.hasAttribute(attribute)) return null;
  const text = element.getAttribute(attribute) ?? '';
  const time = TIME.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(time)) throw new Refused('unreadable_time');
  return time;
}

/** The text of an element that holds nothing else. */
function textOf(element: XmlElement): string {
  if (childrenOf(element).length > 0) throw new Refused('unexpected_element');
  return element.textContent ?? '';
}

function all(element: XmlElement, name: string): XmlElement[] {
  return childrenOf(element).filter((child) => is(child, ASSERTION, name));
}

function one(element: XmlElement, name: string): XmlElement {
  const found = all(element, name);
  const [first] = found;
  if (first === undefined || found.length > 1) throw new Refused('unexpected_element');
  return first;
}
