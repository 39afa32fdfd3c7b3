import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createDnsResolver } from '#adapters/http/dns-resolver.ts';
import { createEgressGuard } from '#adapters/http/egress-guard.ts';
import { createNodeHttp } from '#adapters/http/node-http.ts';
import { createCallbackTokens } from '#adapters/local/callback-tokens.ts';
import { createDefinitionChecks } from '#adapters/local/definition-checks.ts';
import { createFileObjects } from '#adapters/local/file-objects.ts';
import { createIds } from '#adapters/local/ids.ts';
import { createSilentLog } from '#adapters/local/json-log.ts';
import { createLocalRateLimiter } from '#adapters/local/rate-limiter.ts';
import { createSystemClock } from '#adapters/local/system-clock.ts';
import { createExecutionAccess } from '#adapters/postgres/access.ts';
import { createAuditSealer } from '#adapters/postgres/audit-sealer.ts';
import { createPostgresAuditTrail } from '#adapters/postgres/audit-trail.ts';
import { createPostgresBulkOperations } from '#adapters/postgres/bulk-operations.ts';
import { createPostgresConnections } from '#adapters/postgres/connection-store.ts';
import { createDeadLetters } from '#adapters/postgres/dead-letters.ts';
import { createPostgresIdempotencyStore } from '#adapters/postgres/idempotency-store.ts';
import { createPostgresKeyValue } from '#adapters/postgres/key-value.ts';
import { createOutboxPublisher } from '#adapters/postgres/outbox-publisher.ts';
import { createExecutionOwnership } from '#adapters/postgres/ownership.ts';
import { createPartitions } from '#adapters/postgres/partitions.ts';
import { createPlainCodec } from '#adapters/postgres/payload-codec.ts';
import { createPool } from '#adapters/postgres/pool.ts';
import { createPostgresPrograms } from '#adapters/postgres/programs.ts';
import type { Role } from '#adapters/postgres/roles.ts';
import { createPostgresWorkflowStore } from '#adapters/postgres/workflow-store.ts';
import { createSamlAnswers } from '#adapters/saml/saml-answers.ts';
import { type Client, createClient } from '#client/client.ts';
import type { Scope } from '#contract/permissions.ts';
import type { JsonObject } from '#core/json.ts';
import type { Secret } from '#core/secret.ts';
import type { StepPerformer } from '#engine/deps.ts';
import { createEngine } from '#engine/engine.ts';
import { createApi } from '#functions/api/create-api.ts';
import { createIdentity } from '#functions/identity/create-identity.ts';
import { createVerifier } from '#functions/identity/create-verifier.ts';
import { createOwnCache } from '#functions/shared/cache.ts';
import { createSso } from '#functions/sso/create-sso.ts';
import { type HttpServer, type HttpServerLimits, startHttpServer } from '#local/http-server.ts';
import type { ApiKeys } from '#ports/api-keys.ts';
import type { Cache } from '#ports/cache.ts';
import type { Clock } from '#ports/clock.ts';
import type { Adopter, ExecutionOwnership, Mode } from '#ports/execution-store.ts';
import type { Log } from '#ports/log.ts';
import { type Metrics, NO_METRICS } from '#ports/metrics.ts';
import type { ObjectStore } from '#ports/object-store.ts';
import type { PasswordHasher } from '#ports/password-hasher.ts';
import type { ByWindow, RateLimiter } from '#ports/rate-limiter.ts';
import type { ExecutionHint, RuntimeHints } from '#ports/runtime-hints.ts';
import type { SecretKey, Secrets } from '#ports/secrets.ts';
import { sealAudit, signAuditHeads } from '#services/audit/seal.ts';
import { createApiKey } from '#services/identity/create-api-key.ts';
import { type Keys, oneKey } from '#services/shared/key-ring.ts';
import type { TestDatabase } from './database.ts';
import { createQuickHasher } from './quick-hasher.ts';
import { createTestSigningKeys, type TestSigningKeys } from './signing-keys.ts';

/** The API over HTTP, PostgreSQL and a running engine, as the platform wires them. */
export interface TestApi {
  readonly server: HttpServer;
  readonly apiKeys: ApiKeys;
  readonly signingKeys: TestSigningKeys;
  readonly ownership: ExecutionOwnership;
  readonly secrets: Secrets;
  readonly clock: Clock;
  /** Where the audit trail is written out when it is signed. */
  readonly auditArchive: ObjectStore;
  /** Takes what the audit trail was told into its chains, and signs them. */
  sealAudit(): Promise<void>;
  /** What the Step Functions runtime was told of. */
  readonly hints: ExecutionHint[];
  createTenant(): Promise<string>;
  createKey(tenant: string, scopes: readonly Scope[], more?: KeyOptions): Promise<string>;
  client(apiKey: string): Client;
  close(): Promise<void>;
}

export interface KeyOptions {
  readonly mode?: Mode;
  readonly expiresAt?: number;
  readonly workflows?: readonly string[];
  readonly requestsPerMinute?: number;
}

export interface TestApiOptions {
  readonly clock?: Clock;
  /** Does the calls of steps; without it nothing takes executions up. */
  readonly performer?: StepPerformer;
  readonly limits?: Partial<HttpServerLimits>;
  /** Default: one that is quick, for tests that are not about hashing. */
  readonly hasher?: PasswordHasher;
  readonly allowedOrigins?: readonly string[];
  readonly log?: Log;
  /** `host:port` pairs that may be reached though they are private. Default none. */
  readonly egressAllow?: readonly string[];
  /** Default: in memory. */
  readonly secrets?: Secrets;
  /** Of another process of the same platform; default: its own. */
  readonly signingKeys?: TestSigningKeys;
  /** Default: one each, which never turns. */
  readonly keys?: { readonly cursors: Keys; readonly identity: Keys };
  /** Of a reader of the database, for answers that may lag; default: there is none. */
  readonly readerUrl?: string;
  readonly metrics?: Metrics;
  /** Default: of this process alone. */
  readonly rateLimiter?: RateLimiter;
  /** Default: one of this process alone. */
  readonly cache?: Cache;
  /** Default: more than any test asks. */
  readonly rates?: ByWindow<number>;
}

export const ISSUER = 'https://cloudflow.test';

export async function startTestApi(
  database: TestDatabase,
  options: TestApiOptions = {},
): Promise<TestApi> {
  const log = options.log ?? createSilentLog();
  const clock = options.clock ?? createSystemClock();
  const ids = createIds();
  const codec = createPlainCodec();
  const tokens = createCallbackTokens();
  const pool = (role: Role, max: number) =>
    createPool({ url: database.url, role, max, name: 'test', log });
  const appPool = pool('cloudflow_app', 8);
  const acceptPool = pool('cloudflow_app', 4);
  const enginePool = pool('cloudflow_engine', 6);
  const ownership = createExecutionOwnership({
    pool: enginePool,
    codec,
    partitions: createPartitions(enginePool),
    log,
  });
  const cache = options.cache ?? createOwnCache({ clock, metrics: options.metrics ?? NO_METRICS });
  const programs = createPostgresPrograms(appPool, cache);
  const engine =
    options.performer === undefined
      ? null
      : createEngine({
          store: ownership,
          programs,
          performer: options.performer,
          evaluator: {
            evaluate: () => Promise.reject(new Error('no evaluator in this test')),
            close: () => Promise.resolve(),
          },
          children: { start: () => Promise.reject(new Error('no children in this test')) },
          tokens,
          clock,
          ids,
          log,
        });
  await engine?.start();
  const adopter: Adopter | null = engine?.adopter ?? null;
  const executions = createExecutionAccess({
    pool: acceptPool,
    readers: appPool,
    codec,
    ids,
    partitions: createPartitions(acceptPool),
    adopter,
  });
  const readers =
    options.readerUrl === undefined
      ? null
      : createPool({
          ...{ url: options.readerUrl, role: 'cloudflow_app', max: 2, name: 'test', log },
          connectMs: 1_000,
        });
  const loginPool = pool('cloudflow_login', 4);
  const signingKeys = options.signingKeys ?? createTestSigningKeys();
  const issuer = () => ISSUER;
  const verifier = createVerifier({
    app: appPool,
    login: loginPool,
    signingKeys,
    clock,
    ids,
    issuer,
  });
  const outbox = createOutboxPublisher({
    pool: appPool,
    codec,
    partitions: createPartitions(enginePool),
    clock,
  });
  const identity = createIdentity({
    app: appPool,
    login: loginPool,
    signingKeys,
    hasher: options.hasher ?? createQuickHasher(),
    keys: options.keys?.identity ?? oneKey(randomBytes(32)),
    outbox,
    records: createPostgresKeyValue({ pool: appPool, clock, codec }),
    cache,
    issuer,
    clock,
    randomBytes,
  });
  const { apiKeys } = identity;
  const secrets = options.secrets ?? memorySecrets();
  const egress = { allow: new Set(options.egressAllow ?? []), httpPorts: new Set([443]) };
  const http = createNodeHttp({
    guard: createEgressGuard({ policy: egress, resolver: createDnsResolver() }),
  });
  const told: ExecutionHint[] = [];
  const hints: RuntimeHints = {
    accepted: (hint) => void told.push(hint),
    signalled: (hint) => void told.push(hint),
  };
  const handler = createApi({
    ...verifier,
    identity,
    sso: createSso({
      app: appPool,
      login: loginPool,
      http,
      egress,
      clock,
      metrics: options.metrics ?? NO_METRICS,
      randomBytes,
    }),
    saml: createSamlAnswers({ clock, records: identity.records }),
    workflows: createPostgresWorkflowStore({ pool: appPool, codec, ids }),
    definitionChecks: createDefinitionChecks(),
    connections: createPostgresConnections(appPool),
    secrets,
    executions,
    programs,
    bulk: createPostgresBulkOperations({ pool: appPool, codec }),
    ...(readers === null
      ? {}
      : {
          readers: {
            workflows: createPostgresWorkflowStore({ pool: readers, codec, ids }),
            programs: createPostgresPrograms(readers, cache),
            executions: createExecutionAccess({
              pool: readers,
              readers,
              codec,
              ids,
              partitions: createPartitions(readers),
              adopter: null,
            }),
          },
        }),
    ...(options.metrics === undefined ? {} : { metrics: options.metrics }),
    auditTrail: createPostgresAuditTrail(appPool),
    deadLetters: createDeadLetters({ pool: appPool, partitions: createPartitions(appPool) }),
    randomBytes,
    idempotency: createPostgresIdempotencyStore({ pool: appPool, codec }),
    tokens,
    hints,
    clock,
    ids,
    log,
    cursorKeys: options.keys?.cursors ?? oneKey(randomBytes(32)),
    runtimes: new Set(['engine', 'step_functions']),
    preferredRuntime: 'engine',
    checks: { postgres: async () => void (await appPool.query('select 1')) },
    rateLimiter: options.rateLimiter ?? createLocalRateLimiter(clock),
    cache,
    rates: options.rates ?? { caller: 1_000_000, tenant: 1_000_000 },
    allowedOrigins: options.allowedOrigins ?? [],
    checkResponses: true,
  });
  const relayPool = pool('cloudflow_relay', 2);
  const archiveFolder = await mkdtemp(join(tmpdir(), 'cloudflow-audit-'));
  const sealing = {
    sealer: createAuditSealer({ pool: relayPool, partitions: createPartitions(relayPool) }),
    signingKeys,
    archive: createFileObjects(archiveFolder),
    clock,
  };
  const server = await startHttpServer({
    handler,
    port: 0,
    log,
    ids,
    ...(options.limits === undefined ? {} : { limits: options.limits }),
  });
  return {
    server,
    apiKeys,
    signingKeys,
    ownership,
    secrets,
    clock,
    hints: told,
    auditArchive: sealing.archive,
    async sealAudit() {
      await sealAudit(sealing);
      await signAuditHeads(sealing);
    },
    async createTenant() {
      const id = ids.random();
      await database.admin.query(
        'insert into tenants (id, name, created_at) values ($1, $2, to_timestamp($3))',
        [id, `tenant ${id.slice(0, 8)}`, clock.now() / 1_000],
      );
      return id;
    },
    async createKey(tenant, scopes, more = {}) {
      const { text } = await createApiKey(
        { apiKeys, clock, randomBytes },
        {
          tenant,
          mode: more.mode ?? 'live',
          name: 'test',
          scopes,
          workflows: more.workflows ?? null,
          requestsPerMinute: more.requestsPerMinute ?? null,
          expiresAt: more.expiresAt ?? null,
        },
      );
      return text;
    },
    client: (apiKey) => createClient({ baseUrl: server.url, credential: apiKey, maxRetries: 0 }),
    async close() {
      await server.close(500);
      await engine?.stop();
      await http.close();
      const pools = [appPool, acceptPool, enginePool, loginPool, relayPool];
      await Promise.all(
        [...pools, ...(readers === null ? [] : [readers])].map((each) => each.end()),
      );
      await rm(archiveFolder, { recursive: true, force: true });
    },
  };
}

function memorySecrets(): Secrets {
  const values = new Map<string, Secret>();
  const nameOf = ({ tenant, mode, name }: SecretKey) => `${tenant}/${mode}/${name}`;
  return {
    get: (key) => Promise.resolve(values.get(nameOf(key)) ?? null),
    put: (key, value) => Promise.resolve(void values.set(nameOf(key), value)),
    delete: (key) => Promise.resolve(void values.delete(nameOf(key))),
  };
}

/** A definition that the language accepts: a transform, unless steps are given. */
export function aDefinition(more: JsonObject = {}): JsonObject {
  return {
    workflow_id: 'greeting',
    version: '1.0.0',
    steps: [{ id: 'greet', type: 'transform', config: { value: { hello: 'world' } } }],
    ...more,
  };
}
