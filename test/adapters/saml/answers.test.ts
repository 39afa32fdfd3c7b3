import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { SAML_REFUSALS, type SamlExpectation, type SamlRefusal } from '#adapters/saml/answer.ts';
import { judgeAnswer } from '#adapters/saml/judge-answer.ts';
import { readAnswer } from '#adapters/saml/read-answer.ts';
import { Refused } from '#adapters/saml/refusal.ts';
import { answerXml, encode, type Parts, type Question } from '#test/support/saml/answers.ts';
import { ATTACKS } from '#test/support/saml/attacks.ts';
import { makeCertificate } from '#test/support/saml/certificate.ts';

const NOW = Date.UTC(2026, 10, 26, 12);
const provider = makeCertificate('provider');
const own = makeCertificate('attacker');
const question: Question = {
  requestId: '_request',
  acsUrl: 'https://api.example/api/v1/auth/sso/acme/okta/callback',
  audience: 'https://api.example/api/v1/auth/sso/acme/okta/metadata',
  issuer: 'https://idp.example/saml',
  signer: provider,
  now: NOW,
  nameId: 'u-4711',
  attributes: { email: ['ada@example.com'] },
};
const expected: SamlExpectation = {
  issuer: question.issuer,
  entityId: question.audience,
  acsUrl: question.acsUrl,
  requestId: question.requestId,
  now: NOW,
};

/** Why it is not taken; null: it is. */
async function outcome(
  encoded: string,
  certificates = [provider.certificate],
  more: Partial<SamlExpectation> = {},
): Promise<SamlRefusal | null> {
  const expectation = { ...expected, ...more };
  try {
    return judgeAnswer(await readAnswer(encoded, certificates, expectation), expectation);
  } catch (error) {
    if (error instanceof Refused) return error.reason;
    throw error;
  }
}

const honest = (more: Partial<Parts> = {}) => encode(answerXml(question, more));

describe('an honest answer', () => {
  it('is taken, and what it says is read from what was signed', async () => {
    const answer = await readAnswer(honest(), [provider.certificate], expected);
    expect(answer.doubted).toBe(false);
    expect(answer.assertion.subject).toEqual({
      nameId: 'u-4711',
      format: 'urn:oasis:names:tc:SAML:2.0:nameid-format:persistent',
    });
    expect(answer.assertion.attributes).toEqual(new Map([['email', ['ada@example.com']]]));
    expect(judgeAnswer(answer, expected)).toBeNull();
  });

  it.each([
    [
      'with a declaration before it',
      encode(`<?xml version="1.0" encoding="UTF-8"?>\n${answerXml(question)}`),
    ],
    ['in lines, as MIME has base64', honest().replaceAll(/.{76}/g, '$&\r\n')],
    [
      'with certificates in its signatures',
      encode(
        answerXml(question, {}, { assertion: { keyInfo: true }, response: { keyInfo: true } }),
      ),
    ],
    [
      'signed with SHA-512',
      encode(
        answerXml(
          question,
          {},
          {
            assertion: {
              signatureAlgorithm: 'http://www.w3.org/2001/04/xmldsig-more#rsa-sha512',
              digestAlgorithm: 'http://www.w3.org/2001/04/xmlenc#sha512',
            },
          },
        ),
      ),
    ],
    ['with signs that XML escapes', honest({ nameId: 'O&apos;Neil &amp; sons &lt;3 ü' })],
    [
      'of somebody in nine hundred groups',
      honest({ attributes: { groups: Array.from({ length: 900 }, (_, n) => `group-${n}`) } }),
    ],
    [
      'whose clock is half a minute ahead',
      honest({ notBefore: NOW + 30_000, authnInstant: NOW + 30_000 }),
    ],
    [
      'that came half a minute late',
      honest({ notOnOrAfter: NOW - 30_000, confirmedUntil: NOW - 30_000 }),
    ],
  ])('is taken %s', async (_, encoded) => {
    expect(await outcome(encoded)).toBeNull();
  });

  it('is taken with any of several certificates, while one replaces the other', async () => {
    const next = makeCertificate('next');
    expect(await outcome(honest(), [next.certificate, provider.certificate])).toBeNull();
    expect(await outcome(honest(), [next.certificate])).toBe('signature_wrong');
  });

  it.each([
    ['over', { to: NOW - 1 }],
    ['still to come', { from: NOW + 1_000 }],
  ])('is refused when the time of its certificate is %s', async (_, when) => {
    const other = makeCertificate('other', when);
    const encoded = encode(answerXml({ ...question, signer: other }));
    expect(await outcome(encoded, [other.certificate])).toBe('certificate_expired');
    expect(await outcome(encoded, [other.certificate, provider.certificate])).toBe(
      'signature_wrong',
    );
  });
});

describe('an attack is refused, and why is known', () => {
  it.each(Object.entries(ATTACKS))('%s', async (_, { reason, forge }) => {
    expect(await outcome(forge({ question, victim: 'owner', own }))).toBe(reason);
  });
});

it('docs/identity.md tells every reason, in the same words', () => {
  const page = readFileSync(new URL('../../../docs/identity.md', import.meta.url), 'utf8');
  const told = [...page.matchAll(/^\| `saml_(\w+)` \| (.*) \|$/gm)].map(([, name, why]) => [
    name,
    why,
  ]);
  expect(told).toEqual(Object.entries(SAML_REFUSALS));
});
