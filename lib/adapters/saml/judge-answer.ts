import type { SamlAnswer, SamlConfirmation, SamlExpectation, SamlRefusal } from './answer.ts';

/**
 * Whether an answer is for this sign-in, from whom it should be, and of now. Pure: signatures were
 * looked at before (read-answer.ts), and whether it was taken before is looked up after.
 */
/** Clocks of identity providers may be this much off ours. */
export const SAML_SKEW_MS = 60_000;

const BEARER = 'urn:oasis:names:tc:SAML:2.0:cm:bearer';
const TRANSIENT = 'urn:oasis:names:tc:SAML:2.0:nameid-format:transient';
/** Longer is nobody's name, and control characters are in none. */
const NAME_ID = /^[^\p{Cc}\p{Cs}]{1,256}$/u;

/** Null: take it. Every reason stands for one check; the first in the order of the answer is told. */
export function judgeAnswer(answer: SamlAnswer, expected: SamlExpectation): SamlRefusal | null {
  const { assertion } = answer;
  if (answer.issuer !== expected.issuer) return 'wrong_issuer';
  if (assertion.issuer !== expected.issuer) return 'wrong_issuer';
  if (answer.destination !== expected.acsUrl) return 'wrong_destination';
  if (answer.inResponseTo !== expected.requestId) return 'wrong_request';
  const { audiences } = assertion;
  const isForUs =
    audiences.length > 0 && audiences.every((each) => each.includes(expected.entityId));
  if (!isForUs) return 'wrong_audience';
  return (
    judgeConditions(answer, expected.now) ??
    judgeConfirmations(assertion.confirmations, expected) ??
    judgeSubject(answer) ??
    (answer.doubted ? 'doubted' : null)
  );
}

function judgeConditions({ assertion }: SamlAnswer, now: number): SamlRefusal | null {
  const { notBefore, notOnOrAfter, authn } = assertion;
  if (notBefore !== null && notBefore > now + SAML_SKEW_MS) return 'not_yet_valid';
  // What never ends could be kept, and brought for ever.
  if (notOnOrAfter === null || notOnOrAfter <= now - SAML_SKEW_MS) return 'expired';
  if (authn.length === 0) return 'unexpected_element';
  for (const { instant, sessionNotOnOrAfter } of authn) {
    if (instant > now + SAML_SKEW_MS) return 'not_yet_valid';
    if (sessionNotOnOrAfter !== null && sessionNotOnOrAfter <= now) return 'expired';
  }
  return null;
}

/** One that is in order is enough; of none, the first bearer's reason is told. */
function judgeConfirmations(
  confirmations: readonly SamlConfirmation[],
  expected: SamlExpectation,
): SamlRefusal | null {
  const bearers = confirmations.filter(({ method }) => method === BEARER);
  const reasons = bearers.map((each) => judgeBearer(each, expected));
  if (reasons.includes(null)) return null;
  return reasons[0] ?? 'not_bearer';
}

function judgeBearer(bearer: SamlConfirmation, expected: SamlExpectation): SamlRefusal | null {
  const { recipient, inResponseTo, notBefore, notOnOrAfter } = bearer;
  const { now } = expected;
  if (recipient !== expected.acsUrl) return 'wrong_recipient';
  if (inResponseTo !== expected.requestId) return 'wrong_request';
  if (notBefore !== null && notBefore > now + SAML_SKEW_MS) return 'not_yet_valid';
  if (notOnOrAfter === null || notOnOrAfter <= now - SAML_SKEW_MS) return 'expired';
  return null;
}

function judgeSubject({ assertion: { id, subject } }: SamlAnswer): SamlRefusal | null {
  if (id === '' || subject === null || !NAME_ID.test(subject.nameId)) return 'no_subject';
  // Another name at every sign-in says nobody's.
  return subject.format === TRANSIENT ? 'no_subject' : null;
}
