import { deflateRawSync } from 'node:zlib';
import type { SamlRefusal } from '#adapters/saml/answer.ts';
import {
  answerXml,
  assertionXml,
  encode,
  type Parts,
  partsOf,
  type Question,
  responseXml,
  type Signing,
  signElement,
} from './answers.ts';
import type { TestCertificate } from './certificate.ts';

/** What an attacker works with: an honest answer for somebody, and a key of their own. */
export interface Attacker {
  readonly question: Question;
  /** Whom they would like to be. */
  readonly victim: string;
  readonly own: TestCertificate;
}

export interface Attack {
  /** What the audit trail says of it. */
  readonly reason: SamlRefusal;
  /** The form field SAMLResponse. */
  forge(attacker: Attacker): string;
}

/** An honest signature under something that must not be taken all the same. */
function said(
  reason: SamlRefusal,
  more: Partial<Parts> | ((question: Question) => Partial<Parts>),
): Attack {
  return {
    reason,
    forge: ({ question }) =>
      encode(answerXml(question, typeof more === 'function' ? more(question) : more)),
  };
}

function signed(
  reason: SamlRefusal,
  signing: { readonly assertion?: Signing | null; readonly response?: Signing | null },
): Attack {
  return { reason, forge: ({ question }) => encode(answerXml(question, {}, signing)) };
}

/** An honest answer whose text is changed afterwards. */
function changed(reason: SamlRefusal, change: (xml: string, attacker: Attacker) => string): Attack {
  return {
    reason,
    forge: (attacker) => {
      const before = answerXml(attacker.question);
      const after = change(before, attacker);
      if (after === before) throw new Error('the attack changed nothing');
      return encode(after);
    },
  };
}

/**
 * The honest assertion, signed by itself as many providers do, the same without its signature, its
 * signature, and one that says the victim signed in: what wrapping attacks are made of.
 */
interface Pieces {
  readonly parts: Parts;
  readonly signature: string;
  readonly original: string;
  readonly bare: string;
  readonly evil: string;
  readonly now: number;
}

function piecesOf({ question, victim }: Attacker): Pieces {
  const parts = partsOf(question);
  const { now } = question;
  const bare = assertionXml(parts, now);
  const original = signElement(bare, 'Assertion', question.signer);
  const signature = /<ds:Signature[\s\S]*<\/ds:Signature>/.exec(original)?.[0];
  if (signature === undefined) throw new Error('the assertion was not signed');
  const evil = assertionXml({ ...parts, nameId: victim, assertionId: '_evil' }, now);
  return { parts, signature, original, bare, evil, now };
}

/** The eight ways of "On Breaking SAML" to have one element verified and another one read. */
function wrapped(reason: SamlRefusal, inside: (pieces: Pieces) => string): Attack {
  return {
    reason,
    forge: (attacker) => {
      const pieces = piecesOf(attacker);
      return encode(responseXml(pieces.parts, pieces.now, inside(pieces)));
    },
  };
}

/** The same with the whole response, which is signed too. */
function wrappedResponse(reason: SamlRefusal, wrap: (whole: string, signature: string) => string) {
  return {
    reason,
    forge: ({ question, victim }: Attacker) => {
      const whole = answerXml(question);
      const signature = /<ds:Signature[\s\S]*?<\/ds:Signature>/.exec(whole)?.[0];
      if (signature === undefined) throw new Error('the response was not signed');
      const parts = partsOf(question, {
        nameId: victim,
        responseId: '_evil',
        assertionId: '_worse',
      });
      const evil = responseXml(parts, question.now, assertionXml(parts, question.now));
      return encode(evil.replace('<samlp:Status>', `${wrap(whole, signature)}<samlp:Status>`));
    },
  };
}

const into = (assertion: string, what: string) =>
  assertion.replace('</saml:Issuer>', `</saml:Issuer>${what}`);
const object = (what: string) => `<ds:Object>${what}</ds:Object></ds:Signature>`;

const BOMB = `<!DOCTYPE r [<!ENTITY a "ha">${'bcdefghij'
  .split('')
  .map((name, at) => `<!ENTITY ${name} "${`&${'abcdefghij'[at]};`.repeat(10)}">`)
  .join('')}]>`;

/** Every attack that this project knows, by name. None may be taken. */
export const ATTACKS: Readonly<Record<string, Attack>> = {
  'nothing is signed': signed('signature_missing', { assertion: null, response: null }),
  'only the response is signed': signed('signature_missing', { assertion: null }),
  'only the assertion is signed': signed('signature_missing', { response: null }),
  'signed with a key of the attacker': {
    reason: 'signature_wrong',
    forge: ({ question, own }) => encode(answerXml({ ...question, signer: own })),
  },
  'signed with a key of the attacker, whose certificate is in KeyInfo': {
    reason: 'signature_wrong',
    forge: ({ question, own }) =>
      encode(
        answerXml(
          { ...question, signer: own },
          {},
          { assertion: { keyInfo: true }, response: { keyInfo: true } },
        ),
      ),
  },
  'the assertion is of the provider, the response of the attacker': {
    reason: 'signature_wrong',
    forge: ({ question, own }) =>
      encode(signElement(answerXml(question, {}, { response: null }), 'Response', own)),
  },
  'signed with SHA-1': signed('algorithm', {
    assertion: { signatureAlgorithm: 'http://www.w3.org/2000/09/xmldsig#rsa-sha1' },
  }),
  'a digest of SHA-1': signed('algorithm', {
    assertion: { digestAlgorithm: 'http://www.w3.org/2000/09/xmldsig#sha1' },
  }),
  'an HMAC whose key is the certificate': signed('algorithm', {
    assertion: { signatureAlgorithm: 'http://www.w3.org/2000/09/xmldsig#hmac-sha1', hmac: true },
    response: { signatureAlgorithm: 'http://www.w3.org/2000/09/xmldsig#hmac-sha1', hmac: true },
  }),
  'comments are part of what is signed': signed('algorithm', {
    assertion: { canonicalization: 'http://www.w3.org/2001/10/xml-exc-c14n#WithComments' },
  }),
  'one transform instead of two': signed('signature_shape', {
    response: { transforms: ['http://www.w3.org/2000/09/xmldsig#enveloped-signature'] },
  }),
  'a third transform, which hides what it likes': changed('signature_shape', (xml) =>
    xml.replace(
      '</ds:Transforms>',
      '<ds:Transform Algorithm="http://www.w3.org/TR/1999/REC-xpath-19991116"><ds:XPath>false()</ds:XPath></ds:Transform></ds:Transforms>',
    ),
  ),
  'another name after it was signed': changed('signature_wrong', (xml, { victim }) =>
    xml.replace(/(<saml:NameID[^>]*>)[^<]*/, `$1${victim}`),
  ),
  'another address after it was signed': changed('signature_wrong', (xml) =>
    xml.replace(/(<saml:AttributeValue>)[^<]*/, '$1owner@example.com'),
  ),
  'another time after it was signed': changed('signature_wrong', (xml) =>
    xml.replace(/ NotOnOrAfter="[^"]*"/, ' NotOnOrAfter="2099-01-01T00:00:00.000Z"'),
  ),
  'no value in the signature': changed('signature_wrong', (xml) =>
    xml.replaceAll(/(<ds:SignatureValue>)[^<]*/g, '$1'),
  ),
  'a reference to the whole document': changed('signature_shape', (xml) =>
    xml.replace(/<ds:Reference URI="[^"]*"/, '<ds:Reference URI=""'),
  ),
  'a reference to nothing': changed('signature_shape', (xml) =>
    xml.replace(/<ds:Reference URI="[^"]*"/, '<ds:Reference URI="#nobody"'),
  ),
  'two references in one signature': changed('signature_shape', (xml) =>
    xml.replace(/<ds:Reference[\s\S]*?<\/ds:Reference>/, '$&$&'),
  ),
  'two SignedInfo in one signature': changed('signature_shape', (xml) =>
    xml.replace(/<ds:SignedInfo>[\s\S]*?<\/ds:SignedInfo>/, '$&$&'),
  ),
  'a second SignedInfo hidden in KeyInfo': changed('unexpected_element', (xml) =>
    xml.replace(
      /(<ds:SignedInfo>[\s\S]*?<\/ds:SignedInfo>)([\s\S]*?<\/ds:SignatureValue>)/,
      '$1$2<ds:KeyInfo>$1</ds:KeyInfo>',
    ),
  ),
  'an Object in the signature': changed('signature_shape', (xml) =>
    xml.replace('</ds:Signature>', '<ds:Object>x</ds:Object></ds:Signature>'),
  ),
  'a digest in two texts with a comment between': changed('forbidden_markup', (xml) =>
    xml.replace('</ds:DigestValue>', '<!--x--></ds:DigestValue>'),
  ),
  'the signature of the response stands in the assertion too': changed('signature_shape', (xml) => {
    const signature = /<ds:Signature[\s\S]*?<\/ds:Signature>/.exec(xml)?.[0] ?? '';
    return xml.replace('</saml:Assertion>', `${signature}</saml:Assertion>`);
  }),

  'XSW1: the response it was signed for is in the signature of another': wrappedResponse(
    'assertion_count',
    (whole, signature) => signature.replace('</ds:Signature>', object(whole)),
  ),
  'XSW2: the response it was signed for stands before the signature of another': wrappedResponse(
    'assertion_count',
    (whole, signature) => whole.replace(signature, '') + signature,
  ),
  'XSW3: another assertion before the signed one': wrapped(
    'assertion_count',
    ({ evil, original }) => evil + original,
  ),
  'XSW4: the signed assertion is in another one': wrapped('assertion_count', ({ evil, original }) =>
    evil.replace('</saml:Assertion>', `${original}</saml:Assertion>`),
  ),
  'XSW5: another one has the signature, the signed one follows': wrapped(
    'assertion_count',
    ({ evil, signature, bare }) => into(evil, signature) + bare,
  ),
  'XSW6: the signed one is in the signature that another one has': wrapped(
    'assertion_count',
    ({ evil, signature, bare }) =>
      into(evil, signature.replace('</ds:SignatureValue>', `</ds:SignatureValue>${bare}`)),
  ),
  'XSW7: another one is in Extensions': wrapped(
    'assertion_count',
    ({ evil, original }) => `<samlp:Extensions>${evil}</samlp:Extensions>${original}`,
  ),
  'XSW8: the signed one is in an Object of the signature that another one has': wrapped(
    'assertion_count',
    ({ evil, signature, bare }) => into(evil, signature.replace('</ds:Signature>', object(bare))),
  ),
  'a wrapped assertion in a namespace of its own': {
    reason: 'assertion_count',
    forge: ({ question, victim }) =>
      encode(
        answerXml(question, {
          more: `<x:Assertion xmlns:x="urn:x"><x:NameID>${victim}</x:NameID></x:Assertion>`,
        }),
      ),
  },
  'two assertions, both signed': {
    reason: 'assertion_count',
    forge: (attacker) => {
      const { parts, original, now } = piecesOf(attacker);
      const other = piecesOf(attacker).original;
      const xml = responseXml(parts, now, original + other);
      return encode(signElement(xml, 'Response', attacker.question.signer));
    },
  },
  'no assertion at all': {
    reason: 'assertion_count',
    forge: ({ question }) => {
      const xml = responseXml(partsOf(question), question.now, '');
      return encode(signElement(xml, 'Response', question.signer));
    },
  },
  'an encrypted assertion, which nobody asked for': {
    reason: 'encrypted',
    forge: ({ question }) =>
      encode(
        responseXml(
          partsOf(question),
          question.now,
          '<saml:EncryptedAssertion xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion"/>',
        ),
      ),
  },
  'two elements with one id': said('duplicate_id', {
    more: '<saml:Advice ID="_a"/>',
    assertionId: '_a',
  }),
  'an id in another spelling': said('duplicate_id', {
    more: '<saml:Advice id="_a"/>',
    assertionId: '_a',
  }),
  'advice, in which anything may be': said('unexpected_element', { more: '<saml:Advice/>' }),
  'two subjects': said('unexpected_element', {
    more: '<saml:Subject><saml:NameID>owner</saml:NameID></saml:Subject>',
  }),

  'its time is over': said('expired', ({ now }) => ({ notOnOrAfter: now - 120_000 })),
  'it has no end': said('expired', { notOnOrAfter: null }),
  'its time has not come': said('not_yet_valid', ({ now }) => ({ notBefore: now + 120_000 })),
  'signed in later than now': said('not_yet_valid', ({ now }) => ({ authnInstant: now + 120_000 })),
  'the session there is over': said('expired', ({ now }) => ({ sessionNotOnOrAfter: now - 1 })),
  'the confirmation is over': said('expired', ({ now }) => ({ confirmedUntil: now - 120_000 })),
  'the confirmation has no end': said('expired', { confirmedUntil: null }),
  'for another audience': said('wrong_audience', { audiences: ['https://other.example/metadata'] }),
  'for another audience, and for us': said('wrong_audience', ({ audience }) => ({
    audiences: ['https://other.example/metadata', audience],
  })),
  'for no audience': said('wrong_audience', { audiences: [] }),
  'for an audience that begins as we do': said('wrong_audience', ({ audience }) => ({
    audiences: [`${audience}.evil.example`],
  })),
  'another recipient': said('wrong_recipient', { recipient: 'https://other.example/acs' }),
  'no recipient': said('wrong_recipient', { recipient: null }),
  'another destination': said('wrong_destination', { destination: 'https://other.example/acs' }),
  'no destination': said('wrong_destination', { destination: null }),
  'an assertion of another issuer': said('wrong_issuer', { issuer: 'https://other.example/idp' }),
  'a response of another issuer': said('wrong_issuer', {
    responseIssuer: 'https://other.example/idp',
  }),
  'an issuer with a blank behind': said('wrong_issuer', ({ issuer }) => ({ issuer: `${issuer} ` })),
  'it answers another request': said('wrong_request', {
    responseInResponseTo: '_other',
    inResponseTo: '_other',
  }),
  'it answers no request': said('wrong_request', {
    responseInResponseTo: null,
    inResponseTo: null,
  }),
  'only the response answers our request': said('wrong_request', { inResponseTo: null }),
  'only the assertion answers our request': said('wrong_request', { responseInResponseTo: null }),
  'a subject that vouches for itself': said('not_bearer', {
    confirmationMethod: 'urn:oasis:names:tc:SAML:2.0:cm:sender-vouches',
  }),
  'another name every time': said('no_subject', {
    nameIdFormat: 'urn:oasis:names:tc:SAML:2.0:nameid-format:transient',
  }),
  'no name': said('no_subject', { nameId: '' }),
  'a name of control characters': said('no_subject', { nameId: 'owner&#10;' }),
  'an element in the name': said('unexpected_element', { nameId: '<saml:x/>owner' }),
  'a comment in the name': said('forbidden_markup', { nameId: 'owner@example.com<!---->.evil' }),
  'CDATA in the name': said('forbidden_markup', { nameId: '<![CDATA[owner]]>' }),
  'a processing instruction in the name': changed('forbidden_markup', (xml) =>
    xml.replace('</saml:NameID>', '<?x?>.evil</saml:NameID>'),
  ),
  'a time of another zone': changed('signature_wrong', (xml) =>
    xml.replace(/( NotOnOrAfter="[^"]*)Z"/, '$1+00:00"'),
  ),
  'the provider says no': said('provider_refused', {
    status: 'urn:oasis:names:tc:SAML:2.0:status:Responder',
  }),
  'a response of SAML 1.1': said('not_a_response', { version: '1.1' }),

  'a document type': changed('forbidden_markup', (xml) => `<!DOCTYPE r>${xml}`),
  'an entity of a file': changed(
    'forbidden_markup',
    (xml) =>
      `<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/hostname">]>${xml.replace(/(<saml:NameID[^>]*>)/, '$1&x;')}`,
  ),
  'a billion laughs': changed(
    'forbidden_markup',
    (xml) => BOMB + xml.replace(/(<saml:NameID[^>]*>)/, '$1&j;'),
  ),
  'an entity that nobody declared': changed('not_xml', (xml) =>
    xml.replace(/(<saml:NameID[^>]*>)/, '$1&x;'),
  ),
  'two roots': changed('not_xml', (xml) => xml + xml),
  'half of it': changed('not_xml', (xml) => xml.slice(0, xml.length / 2)),
  'an attribute without quotes': changed('not_xml', (xml) =>
    xml.replace(' Version="2.0"', ' Version=2.0'),
  ),
  'text around the root': changed('not_xml', (xml) => `${xml}owner`),
  'a NUL': changed('not_xml', (xml) => xml.replace('</saml:NameID>', '\u0000</saml:NameID>')),
  'larger than it may be': changed('too_large', (xml) =>
    xml.replace('</saml:NameID>', `${'x'.repeat(270_000)}</saml:NameID>`),
  ),
  'thirty thousand levels': changed('too_complex', (xml) =>
    xml.replace('<samlp:Status>', `${'<a>'.repeat(30_000)}${'</a>'.repeat(30_000)}<samlp:Status>`),
  ),
  'two thousand groups': said('too_complex', {
    attributes: { groups: Array.from({ length: 2_000 }, (_, n) => `group-${n}`) },
  }),
  'forty levels': changed('too_complex', (xml) =>
    xml.replace('<samlp:Status>', `${'<a>'.repeat(40)}${'</a>'.repeat(40)}<samlp:Status>`),
  ),
  'three thousand namespaces': changed('too_complex', (xml) =>
    xml.replace(
      '<samlp:Response',
      `<samlp:Response ${Array.from({ length: 3_000 }, (_, n) => `xmlns:n${n}="urn:n"`).join(' ')}`,
    ),
  ),
  'a bomb of deflate': {
    reason: 'not_utf8',
    forge: () => deflateRawSync(Buffer.alloc(100_000_000, 0x41)).toString('base64'),
  },
  'no base64': { reason: 'not_base64', forge: ({ question }) => answerXml(question) },
  'base64 of the wrong alphabet': {
    reason: 'not_base64',
    forge: () => Buffer.from('?>?>?>').toString('base64url'),
  },
  'text of another encoding': {
    reason: 'not_utf8',
    forge: ({ question }) =>
      Buffer.from(`\ufeff${answerXml(question)}`, 'utf16le').toString('base64'),
  },
  'a logout instead': {
    reason: 'not_a_response',
    forge: () =>
      encode(
        '<samlp:LogoutResponse xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" Version="2.0"/>',
      ),
  },
  'a page of HTML': { reason: 'not_a_response', forge: () => encode('<html/>') },
};
