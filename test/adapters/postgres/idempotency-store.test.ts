import { beforeAll, expect, it } from 'vitest';
import { createPostgresIdempotencyStore } from '#adapters/postgres/idempotency-store.ts';
import { createPlainCodec } from '#adapters/postgres/payload-codec.ts';
import type { IdempotencyStore, IdempotentRequest } from '#ports/idempotency-store.ts';
import { createTestDatabase, describeWithPostgres } from '#test/support/database.ts';

describeWithPostgres('kept answers', () => {
  let store: IdempotencyStore;
  const HOUR = 3_600_000;
  const ask = (key: string, now: number, fingerprint = 'f', leaseMs = HOUR): IdempotentRequest => ({
    tenant: '33333333-3333-4333-8333-333333333333',
    mode: 'live',
    key,
    fingerprint,
    now,
    leaseMs,
    keptMs: 10_000,
  });
  const answer = { status: 201, headers: { etag: '"1"' }, body: { a: 1 } };

  beforeAll(async () => {
    const database = await createTestDatabase();
    store = createPostgresIdempotencyStore({
      pool: database.pool('cloudflow_app'),
      codec: createPlainCodec(),
    });
  });

  it('of twenty at the same instant one begins', async () => {
    const begun = await Promise.all(Array.from({ length: 20 }, () => store.begin(ask('race', 0))));
    const kinds = begun.map(({ kind }) => kind).sort();
    expect(kinds).toEqual(['begun', ...Array(19).fill('in_progress')].sort());
  });

  it('a try that died is taken over after its lease, and its late answer is not kept', async () => {
    const first = await store.begin(ask('dead', 0, 'f', 0));
    const second = await store.begin(ask('dead', 0));
    expect([first.kind, second.kind]).toEqual(['begun', 'begun']);
    const attempt = (each: typeof first) => (each.kind === 'begun' ? each.attempt : '');
    expect(await store.finish(ask('dead', 0), attempt(first), answer)).toBe(false);
    expect((await store.begin(ask('dead', 1_001))).kind).toBe('in_progress');
    expect(await store.finish(ask('dead', 0), attempt(second), answer)).toBe(true);
    expect(await store.begin(ask('dead', 9_999))).toEqual({ kind: 'answered', answer });
  });

  it('a try that is alive stays so when business time jumps, however far', async () => {
    const year = 365 * 24 * HOUR;
    expect((await store.begin(ask('alive', 0))).kind).toBe('begun');
    expect((await store.begin(ask('alive', year))).kind).toBe('in_progress');
    expect((await store.begin(ask('alive', year, 'other'))).kind).toBe('reused');
    // And one that died is found dead though business time stands still.
    expect((await store.begin(ask('still', 0, 'f', 0))).kind).toBe('begun');
    expect((await store.begin(ask('still', 0))).kind).toBe('begun');
  });

  it('an answer is kept as long as it was promised, and then the key is free', async () => {
    const begun = await store.begin(ask('old', 0));
    if (begun.kind === 'begun') await store.finish(ask('old', 0), begun.attempt, answer);
    expect((await store.begin(ask('old', 9_999, 'other'))).kind).toBe('reused');
    expect((await store.begin(ask('old', 10_000, 'other'))).kind).toBe('begun');
  });

  it('what failed is forgotten', async () => {
    const begun = await store.begin(ask('failed', 0));
    if (begun.kind === 'begun') await store.abandon(ask('failed', 0), begun.attempt);
    expect((await store.begin(ask('failed', 1, 'other'))).kind).toBe('begun');
  });
});
