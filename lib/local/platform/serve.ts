import { randomBytes } from 'node:crypto';
import { createArgon2Hasher } from '#adapters/argon2/password-hasher.ts';
import { createPostgresAuditTrail } from '#adapters/postgres/audit-trail.ts';
import { createPostgresBulkOperations } from '#adapters/postgres/bulk-operations.ts';
import { createDeadLetters } from '#adapters/postgres/dead-letters.ts';
import { createPostgresIdempotencyStore } from '#adapters/postgres/idempotency-store.ts';
import { createPostgresKeyValue } from '#adapters/postgres/key-value.ts';
import { createPartitions } from '#adapters/postgres/partitions.ts';
import { createSamlAnswers } from '#adapters/saml/saml-answers.ts';
import { createApi } from '#functions/api/create-api.ts';
import { createIdentity } from '#functions/identity/create-identity.ts';
import { createVerifier } from '#functions/identity/create-verifier.ts';
import type { OpenedCache } from '#functions/shared/cache.ts';
import { createSso } from '#functions/sso/create-sso.ts';
import type { EngineControl } from '#ports/engine-control.ts';
import { oneKey } from '#services/shared/key-ring.ts';
import { createThreadedChecks } from '../threaded-checks.ts';
import type { Ground } from './ground.ts';
import type { LocalSigningKeys } from './keepers.ts';
import type { Reach } from './reach.ts';
import type { Runtimes } from './runtimes.ts';

/** Who may come in, and the whole API for them. Nothing listens yet. */
export function createLocalApi(
  ground: Ground,
  parts: {
    readonly reach: Reach;
    readonly runtimes: Runtimes;
    readonly opened: OpenedCache;
    readonly signingKeys: LocalSigningKeys['signingKeys'];
    /** Null: there are no engines elsewhere that could be asked. */
    readonly control: EngineControl | null;
    readonly requestsPerMinute: number;
    issuer(): string;
  },
) {
  const { pools, codec, clock, ids, log, metrics, tracer, state, onStop } = ground;
  const { reach, runtimes, opened, signingKeys, control, requestsPerMinute, issuer } = parts;
  const { cache, rateLimiter } = opened;
  const definitionChecks = createThreadedChecks();
  onStop(() => definitionChecks.close());
  const access = { app: pools.app, login: pools.login };
  const identity = createIdentity({
    ...{ ...access, signingKeys, cache, issuer, clock, randomBytes, outbox: runtimes.outbox },
    hasher: createArgon2Hasher(),
    keys: oneKey(state.identity.identityKey),
    records: createPostgresKeyValue({ pool: pools.app, clock, codec }),
  });
  const auditTrail = createPostgresAuditTrail(pools.app);
  const { workflows, programs, executions, tokens, hints } = runtimes;
  const handler = createApi({
    ...createVerifier({ ...access, signingKeys, clock, ids, issuer }),
    identity,
    sso: createSso({
      ...{ ...access, clock, metrics, randomBytes },
      http: reach.rareHttp,
      egress: reach.egress,
    }),
    saml: createSamlAnswers({ clock, records: identity.records }),
    ...{ workflows, programs, executions, tokens, hints, control, cache, definitionChecks },
    connections: reach.connections,
    secrets: reach.secrets,
    bulk: createPostgresBulkOperations({ pool: pools.app, codec }),
    auditTrail,
    deadLetters: createDeadLetters({ pool: pools.app, partitions: createPartitions(pools.app) }),
    idempotency: createPostgresIdempotencyStore({ pool: pools.app, codec }),
    ...{ randomBytes, clock, ids, metrics, tracer, rateLimiter },
    log: log.with({ part: 'api' }),
    // One tenant has the machine to itself.
    rates: { caller: requestsPerMinute, tenant: requestsPerMinute, source: requestsPerMinute },
    serverUrl: issuer,
    cursorKeys: oneKey(state.identity.cursorKey),
    runtimes: runtimes.kinds,
    preferredRuntime: 'step_functions',
    checks: {
      postgres: async () => void (await pools.app.query('select 1')),
      evaluator: () => reach.askEvaluator(),
    },
  });
  return { handler, identity, auditTrail };
}
