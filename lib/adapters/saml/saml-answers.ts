import type { ExternalIdentity, SamlProtocol } from '#core/identity-providers.ts';
import type { Clock } from '#ports/clock.ts';
import type { SamlAnswers } from '#ports/identity-providers.ts';
import type { KeyValue } from '#ports/key-value.ts';
import type { SamlAnswer, SamlExpectation } from './answer.ts';
import { judgeAnswer, SAML_SKEW_MS } from './judge-answer.ts';
import { samlMetadata } from './metadata.ts';
import { digest, entityIdOf } from './names.ts';
import { readAnswer } from './read-answer.ts';
import { Refused } from './refusal.ts';
import { provesSecondFactor } from './second-factor.ts';

export interface SamlDeps {
  readonly clock: Clock;
  /** Remembers which assertions were taken. */
  readonly records: Pick<KeyValue, 'put'>;
}

/**
 * Signing in through an identity provider of SAML 2.0, as its service provider:
 *
 *  L1 the request goes by HTTP-Redirect, the answer comes by HTTP-POST, and only to a request of ours:
 *     an answer that nobody asked for is refused (no IdP-initiated sign-in);
 *  L2 response and assertion are both signed with a certificate of the provider's settings, and only
 *     signed bytes are read (read-answer.ts);
 *  L3 an answer is for this request, this address and us alone, and of now (judge-answer.ts);
 *  L4 an assertion is taken once.
 *
 * There is no single logout: a session here ends here.
 */
export function createSamlAnswers(deps: SamlDeps): SamlAnswers {
  return {
    metadata: samlMetadata,

    async finish({ tenant, protocol, callbackUrl }, kept, answer) {
      const expected: SamlExpectation = {
        issuer: protocol.entity_id,
        entityId: entityIdOf(callbackUrl),
        acsUrl: callbackUrl,
        requestId: kept['request'] ?? '',
        now: deps.clock.now(),
      };
      try {
        const read = await readAnswer(
          answer['SAMLResponse'] ?? '',
          protocol.certificates,
          expected,
        );
        const reason = judgeAnswer(read, expected);
        if (reason !== null) throw new Refused(reason);
        await takeOnce(deps, tenant, read);
        return { kind: 'proven', identity: identityOf(protocol, read) };
      } catch (error) {
        if (error instanceof Refused) return { kind: 'refused', reason: `saml_${error.reason}` };
        throw error;
      }
    },
  };
}

/** L4: while its time lasts. After it, and for another request, it is refused anyway. */
async function takeOnce(
  { clock, records }: SamlDeps,
  tenant: string,
  { assertion: { id, issuer, notOnOrAfter } }: SamlAnswer,
): Promise<void> {
  const key = { tenant, kind: 'saml_assertion', id: digest(JSON.stringify([issuer, id])) };
  const until = Math.min(notOnOrAfter ?? 0, clock.now() + KEPT_MS) + SAML_SKEW_MS;
  const answer = await records.put(key, null, { value: null, expiresAt: until });
  if (answer.kind === 'conflict') throw new Refused('replayed');
}

/** A sign-in takes ten minutes at most, so no answer is good for a day. */
const KEPT_MS = 86_400_000;

const EMAIL_FORMAT = 'urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress';

function identityOf(protocol: SamlProtocol, { assertion }: SamlAnswer): ExternalIdentity {
  const { subject, attributes, authn } = assertion;
  const only = (name: string | undefined): string | null => {
    const values = name === undefined ? [] : (attributes.get(name) ?? []);
    return values.length === 1 ? (values[0] ?? null) : null;
  };
  const nameId = subject?.nameId ?? '';
  const email =
    protocol.email_attribute === undefined && subject?.format === EMAIL_FORMAT
      ? nameId
      : only(protocol.email_attribute);
  return {
    subject: nameId,
    email,
    // SAML has no word for it: the tenant chose what tells the address, and its provider signed it.
    emailVerified: email !== null,
    name: only(protocol.name_attribute),
    methods: provesSecondFactor(assertion) ? ['mfa'] : [],
    // Of several, the oldest: whichever of them the second factor was of.
    authenticatedAt: Math.min(...authn.map(({ instant }) => instant)),
  };
}
