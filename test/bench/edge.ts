/**
 * What stands in front of every call: tokens, and the chain from the header to the handler. Never a test.
 *
 *   npm run bench:edge
 *   npm run bench:edge -- --rounds 3 --quiet-seconds 60
 *
 * Everything runs on one core, one call after the other. Microseconds of the clock, and of this process'
 * own CPU, which neighbours on the machine disturb less. Redis is a real server beside it. What the chain
 * asks of PostgreSQL is left out (a key or session is read again once in 1.5 seconds, and a call that
 * changes something is told to the audit trail); `npm run bench -- --only http` has all of it.
 */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { createIds } from '#adapters/local/ids.ts';
import { createSilentLog } from '#adapters/local/json-log.ts';
import { createLocalRateLimiter } from '#adapters/local/rate-limiter.ts';
import { createSystemClock } from '#adapters/local/system-clock.ts';
import { bulkRoutes } from '#contract/routes/bulk-operations.ts';
import { executionRoutes } from '#contract/routes/executions.ts';
import { startRoutes } from '#contract/routes/starts.ts';
import { workflowRoutes } from '#contract/routes/workflows.ts';
import type { OperationId } from '#contract/routes.ts';
import { operationIds } from '#contract/routes.ts';
import { serveApi } from '#functions/api/serve-api.ts';
import type { ApiHandler, ApiRequest, Handlers } from '#functions/shared/api.ts';
import { openCache } from '#functions/shared/cache.ts';
import type { CallingKey } from '#ports/api-keys.ts';
import { NO_METRICS } from '#ports/metrics.ts';
import type { RateLimiter } from '#ports/rate-limiter.ts';
import { createAccessTokens } from '#services/identity/access-tokens.ts';
import { makeApiKey } from '#services/identity/api-key.ts';
import { oneKey } from '#services/shared/key-ring.ts';
import { createTestSigningKeys } from '#test/support/signing-keys.ts';
import { startRedis } from './stores.ts';
import { report, type Timed, timed as timedWhenQuiet } from './timed.ts';

const { values: args } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    'quiet-seconds': { type: 'string', default: '40' },
    json: { type: 'boolean', default: false },
  },
});

const timed = (count: number, call: (i: number) => Promise<unknown>): Promise<Timed> =>
  timedWhenQuiet(count, call, Number(args['quiet-seconds']));

const clock = createSystemClock();
const ids = createIds();
const keys = createTestSigningKeys();
const newTokens = () =>
  createAccessTokens({ keys, clock, newId: () => ids.random(), issuer: () => 'https://x.example' });
const claims = () => ({
  tenant: ids.random(),
  mode: 'live' as const,
  user: ids.random(),
  session: ids.random(),
  email: 'ada@example.com',
  roles: ['author', 'operator'],
  permissions: ['workflow:*', 'execution:*'],
  methods: ['pwd', 'otp'],
  authenticatedAt: clock.now(),
});

const TOKENS = 5_000;
const CALLS = 5_000;

async function tokens(): Promise<Record<string, Timed>> {
  const issuing = newTokens();
  const texts: string[] = [];
  const issued = await timed(TOKENS, async () => {
    texts.push((await issuing.issue(claims())).text);
  });
  // Each token for the first time by one verifier, and all of them again by another that knows them.
  const first = newTokens();
  const verified = await timed(TOKENS, (i) => first.verify(texts[texts.length - 1 - i] as string));
  const again = newTokens();
  await again.verify(texts[0] as string);
  const known = await timed(TOKENS, () => again.verify(texts[0] as string));
  return { 'token issued': issued, 'token never seen': verified, 'token seen before': known };
}

const READ = { 'GET, no body': { method: 'GET', path: '/api/v1/workflows/greeting', body: null } };
const START = {
  'POST, body of 1 kB': {
    method: 'POST',
    path: '/api/v1/workflows/greeting/execute',
    body: JSON.stringify({ input: { name: 'Ada', text: 'x'.repeat(1_000) } }),
  },
};

/** Answers of the right shape, at once: what is left is the chain. */
const ANSWER = { body: { execution_id: ids.random(), status: 'PENDING' } };
const handlers = Object.fromEntries(
  operationIds.map((id) => [id, () => Promise.resolve(ANSWER)]),
) as unknown as Handlers;

function chain(rateLimiter: RateLimiter): { handler: ApiHandler; authorization: string } {
  const { text, keyId, digest } = makeApiKey('live', randomBytes);
  const tenant = ids.random();
  const stored: CallingKey = {
    ...{
      keyId,
      tenant,
      digest,
      mode: 'live',
      name: 'bench',
      scopes: ['workflow:*', 'execution:*'],
    },
    ...{ workflows: null, requestsPerMinute: null, createdAt: 0, expiresAt: null },
    ...{ lastUsedAt: clock.now(), revokedAt: null },
    settings: {
      ...{ mfa: 'off', password_sign_in: 'everyone' },
      ...{ requests_per_minute: null, allowed_origins: [] },
    },
  };
  const part = { ...workflowRoutes, ...startRoutes, ...executionRoutes, ...bulkRoutes };
  const served = Object.fromEntries(
    (Object.keys(part) as (keyof typeof part)[]).map((id) => [id, handlers[id]]),
  ) as unknown as Handlers<keyof typeof part>;
  const handler = serveApi(
    {
      apiKeys: { find: () => Promise.resolve(stored), used: () => Promise.resolve() },
      sessions: { state: () => Promise.resolve(null) },
      accessTokens: newTokens(),
      idempotency: {
        begin: () => Promise.reject(new Error('no key is sent')),
      } as never,
      auditTrail: { tell: () => Promise.resolve() },
      ...{ rateLimiter, rates: { caller: 1e9, tenant: 1e9 }, randomBytes, ids, clock },
      log: createSilentLog(),
    },
    part,
    served,
  );
  return { handler, authorization: `Bearer ${text}` };
}

type Call = { readonly method: string; readonly path: string; readonly body: string | null };

function requestOf({ method, path, body }: Call, authorization: string): ApiRequest {
  const bytes = new TextEncoder().encode(body ?? '');
  return {
    ...{ method, path, query: '', source: '127.0.0.1' },
    headers: {
      authorization,
      'user-agent': 'bench',
      ...(body === null
        ? {}
        : { 'content-type': 'application/json', 'content-length': String(bytes.length) }),
    },
    readBody: () => Promise.resolve(bytes),
  };
}

async function chains(shared: RateLimiter): Promise<Record<string, Timed>> {
  const found: Record<string, Timed> = {};
  const limiters = {
    'counted in this process': createLocalRateLimiter(clock),
    'counted in Redis': shared,
  };
  const bare = handlers['getWorkflow' satisfies OperationId] as (call: unknown) => Promise<unknown>;
  found['bare handler'] = await timed(CALLS, () => bare({}));
  for (const [what, call] of Object.entries<Call>({ ...READ, ...START })) {
    for (const [how, limiter] of Object.entries(limiters)) {
      const { handler, authorization } = chain(limiter);
      const probe = await handler(requestOf(call, authorization));
      if (probe.status >= 300)
        throw new Error(`${what} was answered ${probe.status}: ${probe.body}`);
      found[`${what}, ${how}`] = await timed(CALLS, () => handler(requestOf(call, authorization)));
    }
  }
  found['windows in Redis alone'] = await timed(CALLS, () =>
    shared.take({ tenant: 't', caller: 'a', limits: { caller: 1e9, tenant: 1e9 } }),
  );
  return found;
}

const folder = mkdtempSync(join(tmpdir(), 'cloudflow-bench-'));
const redis = await startRedis(folder, { durable: false });
if (redis === null) throw new Error('there is no redis-server on the path');
const opened = openCache(
  { name: 'bench', clock, log: createSilentLog(), metrics: NO_METRICS },
  { STAGE: 'dev', CACHE_URL: `redis://127.0.0.1:${redis.port}`, CACHE_AUTH: 'url' },
  oneKey(randomBytes(32)),
);
try {
  await opened.connected();
  const rounds: Record<string, Timed>[] = [];
  for (let i = 0; i < Number(args.rounds); i++) {
    rounds.push({ ...(await tokens()), ...(await chains(opened.rateLimiter)) });
    process.stderr.write(`round ${i + 1} of ${args.rounds}\n`);
  }
  process.stdout.write(report(rounds, args.json));
} finally {
  await opened.close();
  await redis.close();
  rmSync(folder, { recursive: true, force: true });
}
