import type { XmlElement } from '@xmldom/xmldom/lib/dom-parser.js';
import { allOf, childrenOf } from './parse.ts';
import { Refused } from './refusal.ts';

/**
 * The one form of an answer that is read, looked at before a signature is:
 *
 *     Response: Issuer, Signature, Status, Assertion
 *       Assertion: Issuer, Signature, Subject, Conditions, AuthnStatement..., AttributeStatement
 *
 *  F1 every element that wrapping attacks move, copy or hide exists as often as the form says, in the
 *     whole document and by its local name, so a second one in any namespace or depth is refused;
 *  F2 each signature signs the element that it is in, whole: one reference, to its parent's id;
 *  F3 ids are unique over every spelling of the attribute that some reader takes for an id;
 *  F4 algorithms are of a list. So an answer has nothing that one part of a reader could verify and
 *     another part consume.
 */
const PROTOCOL = 'urn:oasis:names:tc:SAML:2.0:protocol';
const ASSERTION = 'urn:oasis:names:tc:SAML:2.0:assertion';
const DSIG = 'http://www.w3.org/2000/09/xmldsig#';

const SUCCESS = 'urn:oasis:names:tc:SAML:2.0:status:Success';
const EXCLUSIVE = 'http://www.w3.org/2001/10/xml-exc-c14n#';
const ENVELOPED = 'http://www.w3.org/2000/09/xmldsig#enveloped-signature';
/** No SHA-1, and no HMAC, whose key would be a certificate that everybody has. */
const SIGNATURES: readonly string[] = [
  'http://www.w3.org/2001/04/xmldsig-more#rsa-sha256',
  'http://www.w3.org/2001/04/xmldsig-more#rsa-sha512',
];
const DIGESTS: readonly string[] = [
  'http://www.w3.org/2001/04/xmlenc#sha256',
  'http://www.w3.org/2001/04/xmlenc#sha512',
];

/** How often each of these is there, whatever its namespace. */
const COUNTS: Readonly<Record<string, number>> = {
  Response: 1,
  Status: 1,
  Subject: 1,
  NameID: 1,
  Conditions: 1,
  Advice: 0,
  Extensions: 0,
  Object: 0,
  Manifest: 0,
  RetrievalMethod: 0,
  SignedInfo: 2,
  SignatureValue: 2,
  CanonicalizationMethod: 2,
  SignatureMethod: 2,
  Reference: 2,
  Transforms: 2,
  Transform: 4,
  DigestMethod: 2,
  DigestValue: 2,
};

/** Refuses whatever is not of the form. Its order is that of the reasons: what it is, then how. */
export function checkShape(root: XmlElement): void {
  if (!is(root, PROTOCOL, 'Response') || root.getAttribute('Version') !== '2.0') {
    throw new Refused('not_a_response');
  }
  const names = countNames(root);
  if (succeeded(root) === false) throw new Refused('provider_refused');
  for (const name of names.keys()) if (name.startsWith('Encrypted')) throw new Refused('encrypted');
  const assertions = childrenOf(root).filter((child) => is(child, ASSERTION, 'Assertion'));
  const [assertion] = assertions;
  if (assertion === undefined || assertions.length > 1 || names.get('Assertion') !== 1) {
    throw new Refused('assertion_count');
  }
  checkIds(root);
  if ((names.get('Signature') ?? 0) < 2) throw new Refused('signature_missing');
  if (names.get('Signature') !== 2) throw new Refused('signature_shape');
  for (const element of [root, assertion]) {
    const signature = only(element, DSIG, 'Signature', 'signature_missing');
    checkSignature(signature, element.getAttribute('ID'));
  }
  for (const [name, count] of Object.entries(COUNTS)) {
    if ((names.get(name) ?? 0) !== count) throw new Refused('unexpected_element');
  }
  checkChildren(root, [
    [ASSERTION, 'Issuer'],
    [DSIG, 'Signature'],
    [PROTOCOL, 'Status'],
    [ASSERTION, 'Assertion'],
  ]);
  if (assertion.getAttribute('Version') !== '2.0') throw new Refused('not_a_response');
  checkChildren(assertion, [
    [ASSERTION, 'Issuer'],
    [DSIG, 'Signature'],
    [ASSERTION, 'Subject'],
    [ASSERTION, 'Conditions'],
    [ASSERTION, 'AuthnStatement'],
    [ASSERTION, 'AttributeStatement'],
  ]);
}

function checkSignature(signature: XmlElement, id: string): void {
  const parts = childrenOf(signature);
  const [info, value, keyInfo] = parts;
  if (
    parts.length > 3 ||
    info === undefined ||
    !is(info, DSIG, 'SignedInfo') ||
    value === undefined ||
    !is(value, DSIG, 'SignatureValue') ||
    (keyInfo !== undefined && !is(keyInfo, DSIG, 'KeyInfo')) ||
    childrenOf(value).length > 0
  ) {
    throw new Refused('signature_shape');
  }
  const [canonical, method, reference] = inOrder(info, [
    'CanonicalizationMethod',
    'SignatureMethod',
    'Reference',
  ]);
  const [transforms, digestMethod, digest] = inOrder(reference, [
    'Transforms',
    'DigestMethod',
    'DigestValue',
  ]);
  const [enveloped, exclusive] = inOrder(transforms, ['Transform', 'Transform']);
  if (reference.getAttribute('URI') !== `#${id}` || childrenOf(digest).length > 0) {
    throw new Refused('signature_shape');
  }
  const algorithms: readonly (readonly [XmlElement, readonly string[]])[] = [
    [method, SIGNATURES],
    [digestMethod, DIGESTS],
    [canonical, [EXCLUSIVE]],
    [enveloped, [ENVELOPED]],
    [exclusive, [EXCLUSIVE]],
  ];
  for (const [element, allowed] of algorithms) {
    if (!allowed.includes(element.getAttribute('Algorithm'))) throw new Refused('algorithm');
    const inside = childrenOf(element);
    const mayName = element === exclusive || element === canonical;
    if (inside.length > (mayName ? 1 : 0)) throw new Refused('signature_shape');
    if (inside.some((child) => !is(child, EXCLUSIVE, 'InclusiveNamespaces'))) {
      throw new Refused('signature_shape');
    }
  }
}

/** The children, which must be exactly these elements of XML signatures. */
function inOrder<Names extends readonly string[]>(
  element: XmlElement,
  names: readonly [...Names],
): { readonly [K in keyof Names]: XmlElement } {
  const children = childrenOf(element);
  const fits =
    children.length === names.length &&
    names.every((name, at) => is(children[at] as XmlElement, DSIG, name));
  if (!fits) throw new Refused('signature_shape');
  // As many as names, as was just seen.
  return children as unknown as { readonly [K in keyof Names]: XmlElement };
}

/** Null: it has no status in its place, which the form refuses later. */
function succeeded(root: XmlElement): boolean | null {
  const status = childrenOf(root).find((child) => is(child, PROTOCOL, 'Status'));
  const code = status && childrenOf(status).find((child) => is(child, PROTOCOL, 'StatusCode'));
  return code === undefined ? null : code.getAttribute('Value') === SUCCESS;
}

function checkChildren(element: XmlElement, allowed: readonly (readonly [string, string])[]): void {
  let at = 0;
  for (const child of childrenOf(element)) {
    while (at < allowed.length && !is(child, ...(allowed[at] as readonly [string, string])))
      at += 1;
    if (at === allowed.length) throw new Refused('unexpected_element');
  }
}

function only(
  element: XmlElement,
  space: string,
  name: string,
  reason: 'signature_missing',
): XmlElement {
  const found = childrenOf(element).filter((child) => is(child, space, name));
  const [one] = found;
  if (one === undefined || found.length > 1) throw new Refused(reason);
  return one;
}

const NCNAME = /^[A-Za-z_][A-Za-z0-9_.-]{0,255}$/;

function checkIds(root: XmlElement): void {
  const seen = new Set<string>();
  for (const element of allOf(root)) {
    for (let at = 0; at < element.attributes.length; at += 1) {
      const attribute = element.attributes.item(at);
      if (attribute === null || attribute.localName?.toLowerCase() !== 'id') continue;
      if (!NCNAME.test(attribute.value) || seen.has(attribute.value)) {
        throw new Refused('duplicate_id');
      }
      seen.add(attribute.value);
    }
  }
}

function countNames(root: XmlElement): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const element of allOf(root)) {
    const name = element.localName ?? element.nodeName;
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return counts;
}

export function is(element: XmlElement, space: string, name: string): boolean {
  return element.localName === name && element.namespaceURI === space;
}
