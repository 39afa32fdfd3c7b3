import { randomUUID } from 'node:crypto';
import { SignedXml } from 'xml-crypto';
import type { TestCertificate } from './certificate.ts';

const EXCLUSIVE = 'http://www.w3.org/2001/10/xml-exc-c14n#';
const ENVELOPED = 'http://www.w3.org/2000/09/xmldsig#enveloped-signature';
export const RSA_SHA256 = 'http://www.w3.org/2001/04/xmldsig-more#rsa-sha256';
export const SHA256 = 'http://www.w3.org/2001/04/xmlenc#sha256';

/** What an identity provider knows when it answers. */
export interface Question {
  readonly requestId: string;
  readonly acsUrl: string;
  /** Entity id of who asks. */
  readonly audience: string;
  /** Entity id of who answers. */
  readonly issuer: string;
  readonly signer: TestCertificate;
  /** Milliseconds since 1970. */
  readonly now: number;
  readonly nameId: string;
  readonly attributes: Readonly<Record<string, readonly string[]>>;
}

/** Parts of an answer, each as it stands in the XML; those that are not given are honest. */
export interface Parts {
  readonly version: string;
  readonly responseIssuer: string | null;
  readonly issuer: string;
  readonly destination: string | null;
  readonly responseInResponseTo: string | null;
  readonly status: string;
  readonly responseId: string;
  readonly assertionId: string;
  readonly nameId: string;
  readonly nameIdFormat: string;
  readonly confirmationMethod: string;
  readonly recipient: string | null;
  readonly inResponseTo: string | null;
  readonly confirmedUntil: number | null;
  readonly notBefore: number | null;
  readonly notOnOrAfter: number | null;
  readonly audiences: readonly string[];
  readonly authnInstant: number;
  readonly sessionNotOnOrAfter: number | null;
  readonly contextClass: string;
  readonly attributes: Readonly<Record<string, readonly string[]>>;
  /** After the honest parts of the assertion. */
  readonly more: string;
}

const newId = (kind: string) => `_${kind}${randomUUID()}`;

export function partsOf(question: Question, more: Partial<Parts> = {}): Parts {
  const { acsUrl, issuer, requestId, now } = question;
  return {
    version: '2.0',
    responseIssuer: issuer,
    issuer,
    destination: acsUrl,
    responseInResponseTo: requestId,
    status: 'urn:oasis:names:tc:SAML:2.0:status:Success',
    responseId: newId('r'),
    assertionId: newId('a'),
    nameId: xmlText(question.nameId),
    nameIdFormat: 'urn:oasis:names:tc:SAML:2.0:nameid-format:persistent',
    confirmationMethod: 'urn:oasis:names:tc:SAML:2.0:cm:bearer',
    recipient: acsUrl,
    inResponseTo: requestId,
    confirmedUntil: now + 300_000,
    notBefore: now - 1_000,
    notOnOrAfter: now + 300_000,
    audiences: [question.audience],
    authnInstant: now,
    sessionNotOnOrAfter: null,
    contextClass: 'urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport',
    attributes: question.attributes,
    more: '',
    ...more,
  };
}

/** `<saml:Assertion>`, unsigned. */
export function assertionXml(parts: Parts, now: number): string {
  return (
    `<saml:Assertion xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="${parts.assertionId}"` +
    ` Version="${parts.version}" IssueInstant="${at(now)}"><saml:Issuer>${xmlText(parts.issuer)}</saml:Issuer>` +
    `<saml:Subject><saml:NameID Format="${parts.nameIdFormat}">${parts.nameId}</saml:NameID>` +
    `<saml:SubjectConfirmation Method="${parts.confirmationMethod}"><saml:SubjectConfirmationData` +
    given('Recipient', parts.recipient) +
    given('InResponseTo', parts.inResponseTo) +
    given('NotOnOrAfter', time(parts.confirmedUntil)) +
    '/></saml:SubjectConfirmation></saml:Subject><saml:Conditions' +
    given('NotBefore', time(parts.notBefore)) +
    given('NotOnOrAfter', time(parts.notOnOrAfter)) +
    `>${parts.audiences.map((each) => `<saml:AudienceRestriction><saml:Audience>${xmlText(each)}</saml:Audience></saml:AudienceRestriction>`).join('')}` +
    `</saml:Conditions><saml:AuthnStatement AuthnInstant="${at(parts.authnInstant)}"` +
    given('SessionNotOnOrAfter', time(parts.sessionNotOnOrAfter)) +
    `><saml:AuthnContext><saml:AuthnContextClassRef>${xmlText(parts.contextClass)}</saml:AuthnContextClassRef>` +
    '</saml:AuthnContext></saml:AuthnStatement><saml:AttributeStatement>' +
    Object.entries(parts.attributes)
      .map(
        ([name, values]) =>
          `<saml:Attribute Name="${xmlText(name)}">${values.map((value) => `<saml:AttributeValue>${xmlText(value)}</saml:AttributeValue>`).join('')}</saml:Attribute>`,
      )
      .join('') +
    `</saml:AttributeStatement>${parts.more}</saml:Assertion>`
  );
}

/** `<samlp:Response>` around whatever is given for its assertion, unsigned. */
export function responseXml(parts: Parts, now: number, inside: string): string {
  return (
    '<samlp:Response xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol"' +
    ` ID="${parts.responseId}" Version="${parts.version}" IssueInstant="${at(now)}"` +
    given('Destination', parts.destination) +
    given('InResponseTo', parts.responseInResponseTo) +
    '>' +
    (parts.responseIssuer === null
      ? ''
      : `<saml:Issuer xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion">${xmlText(parts.responseIssuer)}</saml:Issuer>`) +
    `<samlp:Status><samlp:StatusCode Value="${parts.status}"/></samlp:Status>${inside}</samlp:Response>`
  );
}

export interface Signing {
  readonly signatureAlgorithm?: string;
  readonly digestAlgorithm?: string;
  readonly canonicalization?: string;
  readonly transforms?: readonly string[];
  /** Puts the certificate into KeyInfo. */
  readonly keyInfo?: boolean;
  readonly hmac?: boolean;
}

/** Signs one element of the document, with the signature after the Issuer in it. */
export function signElement(
  xml: string,
  element: 'Response' | 'Assertion',
  signer: TestCertificate,
  how: Signing = {},
): string {
  const signature = new SignedXml({
    privateKey: how.hmac === true ? signer.certificate : signer.key,
    ...(how.keyInfo === true ? { publicCert: signer.certificate } : {}),
    signatureAlgorithm: how.signatureAlgorithm ?? RSA_SHA256,
    canonicalizationAlgorithm: how.canonicalization ?? EXCLUSIVE,
  });
  if (how.hmac === true) signature.enableHMAC();
  const xpath = `//*[local-name(.)='${element}']`;
  signature.addReference({
    xpath,
    transforms: how.transforms ?? [ENVELOPED, EXCLUSIVE],
    digestAlgorithm: how.digestAlgorithm ?? SHA256,
  });
  signature.computeSignature(xml, {
    prefix: 'ds',
    location: { reference: `${xpath}/*[local-name(.)='Issuer']`, action: 'after' },
  });
  return signature.getSignedXml();
}

/** An answer as an honest identity provider gives it, but for the parts that are given. */
export function answerXml(
  question: Question,
  more: Partial<Parts> = {},
  signing: { readonly assertion?: Signing | null; readonly response?: Signing | null } = {},
): string {
  const parts = partsOf(question, more);
  const { now, signer } = question;
  let xml = responseXml(parts, now, assertionXml(parts, now));
  if (signing.assertion !== null) xml = signElement(xml, 'Assertion', signer, signing.assertion);
  if (signing.response !== null) xml = signElement(xml, 'Response', signer, signing.response);
  return xml;
}

export function encode(xml: string): string {
  return Buffer.from(xml).toString('base64');
}

export function xmlText(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
}

function given(name: string, value: string | null): string {
  return value === null ? '' : ` ${name}="${xmlText(value)}"`;
}

function at(time: number): string {
  return new Date(time).toISOString();
}

function time(value: number | null): string | null {
  return value === null ? null : at(value);
}
