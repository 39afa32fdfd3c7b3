import { X509Certificate } from 'node:crypto';
import { SAML, ValidateInResponseTo } from '@node-saml/node-saml';
import type { SamlAnswer, SamlExpectation } from './answer.ts';
import { readFacts } from './facts.ts';
import { decodeField, parseXml } from './parse.ts';
import { Refused } from './refusal.ts';
import { checkShape } from './shape.ts';

/**
 * Reads the form field SAMLResponse with node-saml, which verifies both signatures, between two checks
 * of our own: the form before it (shape.ts), and after it facts that are taken from the signed bytes
 * alone (facts.ts). Times are left to `judgeAnswer`, for node-saml would ask the machine's clock.
 *
 * `certificates`: of the identity provider, PEM. Keys that the answer brings along count for nothing.
 * Throws Refused.
 */
export async function readAnswer(
  encoded: string,
  certificates: readonly string[],
  expected: SamlExpectation,
): Promise<SamlAnswer> {
  const text = decodeField(encoded);
  checkShape(parseXml(text));
  const valid = certificates.filter((pem) => isWithinItsTime(pem, expected.now));
  if (valid.length === 0) throw new Refused('certificate_expired');
  const reading = new Reading({
    idpCert: valid,
    idpIssuer: expected.issuer,
    issuer: expected.entityId,
    audience: expected.entityId,
    callbackUrl: expected.acsUrl,
    wantAssertionsSigned: true,
    wantAuthnResponseSigned: true,
    // It would look before it has verified anything; `judgeAnswer` looks at what was signed.
    validateInResponseTo: ValidateInResponseTo.never,
    acceptedClockSkewMs: NO_TIMES,
  });
  let doubted = false;
  try {
    await reading.validatePostResponseAsync({ SAMLResponse: Buffer.from(text).toString('base64') });
  } catch {
    // Its reasons are sentences for people. What it had verified by then says which kind it was.
    doubted = true;
  }
  if (reading.signed === null) throw new Refused('signature_wrong');
  return { ...readFacts(reading.signed), doubted };
}

/** node-saml's word for: look at no times. */
const NO_TIMES = -1;

/** Keeps the bytes that both signatures stand for, once node-saml has verified them. */
class Reading extends SAML {
  signed: string | null = null;

  protected override getSignedAssertion(signedXml: string): Promise<string | null> {
    this.signed = signedXml;
    return super.getSignedAssertion(signedXml);
  }
}

function isWithinItsTime(pem: string, now: number): boolean {
  try {
    const { validFromDate, validToDate } = new X509Certificate(pem);
    return validFromDate.getTime() <= now && now < validToDate.getTime();
  } catch {
    return false; // no certificate at all signs nothing
  }
}
