import * as Type from 'typebox';
import { AUDIT_OUTCOMES } from '#core/audit-chain.ts';
import { inWords } from '#core/in-words.ts';
import { closed, nullable, oneOf, Timestamp, Uuid } from './common.ts';

const Hash = Type.String({ pattern: '^[0-9a-f]{64}$', description: 'SHA-256 in hexadecimal' });
const Seq = Type.Integer({ minimum: 1, description: 'the place in the chain, from 1' });

/** `workflow:order`, `user:<id>`, `key:<id>`; ids of tenants may be chosen by them. */
export const AuditName = inWords(
  '1 to 200 visible ASCII characters without blanks, such as user:6d0f4f3e-2b1c-4c55-9a0e-3f8f1c7f2b90',
  Type.String({ minLength: 1, maxLength: 200, pattern: '^[\\x21-\\x7e]+$' }),
);
export const AuditOutcomeName = oneOf(
  AUDIT_OUTCOMES,
  '`unknown`: a change was begun, and nobody told its end',
);

export const AuditEvent = closed({
  seq: Seq,
  id: Uuid,
  at: Timestamp,
  actor: Type.String({
    description: '`user:<id>`, `key:<id>`, `callback`, `operator`, `platform` or `unknown`',
  }),
  mode: nullable(oneOf(['live', 'test'])),
  operation: Type.String({ description: 'the operation of the API, or of the platform itself' }),
  target: nullable(Type.String({ description: 'what it was done to, such as `user:<id>`' })),
  outcome: AuditOutcomeName,
  code: nullable(Type.String({ description: 'of the refusal or the failure' })),
  request_id: nullable(Type.String()),
  correlation_id: nullable(Type.String()),
  details: Type.Unsafe<{ readonly [name: string]: unknown }>({
    type: 'object',
    description: 'ids and words of the platform that tell more',
  }),
  source: nullable(Type.String({ description: 'the address that the call came from' })),
  client: nullable(Type.String({ description: 'what the client called itself' })),
  content: Type.String({ description: 'what the hash covers, letter by letter, as JSON' }),
  personal: nullable(
    Type.Unsafe<{ readonly [name: string]: unknown }>({
      type: 'object',
      description: 'source and client with a salt; the content holds its hash. Null once erased',
    }),
  ),
  hash: Hash,
});

export const AuditHead = closed({
  seq: Seq,
  hash: Hash,
  at: Timestamp,
  kid: Type.String({ description: 'the key that signed, by its RFC 7638 thumbprint' }),
  signature: Type.String({
    description: 'RS256 over the canonical JSON of audit_head, tenant, seq, hash and at',
  }),
  n: Type.String({ description: 'the modulus of the public key, in base64url' }),
  e: Type.String({ description: 'its exponent' }),
});
