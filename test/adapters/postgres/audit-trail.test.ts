import { randomUUID } from 'node:crypto';
import type { Pool } from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createIds } from '#adapters/local/ids.ts';
import { createSilentLog } from '#adapters/local/json-log.ts';
import { createAuditSealer } from '#adapters/postgres/audit-sealer.ts';
import { createPostgresAuditTrail } from '#adapters/postgres/audit-trail.ts';
import { createPartitions } from '#adapters/postgres/partitions.ts';
import { createPool } from '#adapters/postgres/pool.ts';
import { type AuditFacts, CHAIN_START, type SealedEvent, sealEvent } from '#core/audit-chain.ts';
import type { ObjectKey } from '#core/object-key.ts';
import type { AuditSealer, AuditTrail, SignedHead } from '#ports/audit-trail.ts';
import type { ObjectStore } from '#ports/object-store.ts';
import { sealAudit, signAuditHeads } from '#services/audit/seal.ts';
import { type AuditVerdict, verifyAudit } from '#services/audit/verify.ts';
import { createRandom } from '#test/simulation/random.ts';
import {
  createTestDatabase,
  describeWithPostgres,
  type TestDatabase,
} from '#test/support/database.ts';
import { createTestSigningKeys } from '#test/support/signing-keys.ts';

const NOW = Date.parse('2026-11-26T08:00:00.000Z');
const PATIENT = 120_000;
const PERSONAL = { source: '203.0.113.9', client: 'a browser', salt: '00' };

describeWithPostgres('the chain of audits', () => {
  let database: TestDatabase;
  let app: Pool;
  let relay: Pool;
  let trail: AuditTrail;
  let sealer: AuditSealer;
  const ids = createIds();
  const signingKeys = createTestSigningKeys();
  const written = new Map<string, string>();

  beforeAll(async () => {
    database = await createTestDatabase();
    const open = (role: 'cloudflow_app' | 'cloudflow_relay', max: number) =>
      createPool({ url: database.url, role, max, name: 'test', log: createSilentLog() });
    app = open('cloudflow_app', 4);
    relay = open('cloudflow_relay', 4);
    trail = createPostgresAuditTrail(app);
    sealer = createAuditSealer({ pool: relay, partitions: createPartitions(relay) });
  });
  afterAll(async () => {
    await app?.end();
    await relay?.end();
  });

  const factsOf = (more: Partial<AuditFacts> = {}): AuditFacts => ({
    id: ids.next(NOW),
    at: NOW,
    actor: 'key:abc',
    mode: 'live',
    operation: 'createWorkflow',
    target: null,
    outcome: 'done',
    code: null,
    request_id: null,
    correlation_id: null,
    details: {},
    ...more,
  });
  const tell = (tenant: string, more: Partial<AuditFacts> = {}) => {
    const facts = factsOf(more);
    return trail.tell({ tenant, id: facts.id, part: 'whole', facts, personal: PERSONAL });
  };
  const archive = {
    put: async ({ tenant, path }: ObjectKey, { body }: { body: Uint8Array }) => {
      const name = `${tenant}/${path}`;
      if (written.has(name)) return 'exists' as const;
      written.set(name, Buffer.from(body).toString());
      return 'stored' as const;
    },
  } as unknown as ObjectStore;
  const sign = () =>
    signAuditHeads({ sealer, signingKeys, archive, clock: { now: () => NOW } as never });
  const all = (tenant: string) => sealer.events(tenant, 0, 10_000);
  const headsOf = async (tenant: string): Promise<readonly SignedHead[]> =>
    (await trail.heads(tenant, { limit: 500, after: null })).items;

  async function* each<T>(items: readonly T[]): AsyncGenerator<T> {
    yield* items;
  }
  const verify = async (tenant: string, heads?: readonly SignedHead[]): Promise<AuditVerdict> =>
    verifyAudit(tenant, each(await all(tenant)), each(heads ?? (await headsOf(tenant))));

  it('two sealers at once make one chain, whatever was told at the same time', async () => {
    const tenants = Array.from({ length: 5 }, () => randomUUID());
    await Promise.all(
      Array.from({ length: 400 }, (_, i) => tell(tenants[i % tenants.length] as string)),
    );
    const rival = createAuditSealer({ pool: relay, partitions: createPartitions(relay) });
    await Promise.all([sealAudit({ sealer }), sealAudit({ sealer: rival }), sealAudit({ sealer })]);
    while ((await sealer.seal(500, PATIENT)) > 0);
    await sign();
    for (const tenant of tenants) {
      expect(await verify(tenant)).toEqual({ events: 80, signedTo: 80, problem: null });
    }
  });

  it('a head that is signed says nothing of the chain of another tenant', async () => {
    const [signed, other] = [randomUUID(), randomUUID()];
    for (const tenant of [signed, other]) await tell(tenant);
    while ((await sealer.seal(500, PATIENT)) > 0);
    const [end] = await all(signed);
    if (end === undefined) throw new TypeError('nothing was sealed');
    const made = { at: NOW, kid: 'a key', signature: 'a signature', n: '', e: '' };
    await sealer.sign({ tenant: signed, seq: end.seq, hash: end.hash, ...made });
    const waiting = (await sealer.unsigned(500)).map(({ tenant }) => tenant);
    expect(waiting).toContain(other);
    expect(waiting).not.toContain(signed);
    await sign();
  });

  it('a change whose end is never told is sealed as unknown, and its late end names it', async () => {
    const tenant = randomUUID();
    const facts = factsOf({ outcome: 'unknown', target: 'workflow:order' });
    await trail.tell({ tenant, id: facts.id, part: 'begun', facts, personal: PERSONAL });
    await tell(tenant);
    await sealer.seal(100, PATIENT);
    expect(await all(tenant)).toHaveLength(1);
    await sealer.seal(100, 0);
    const end = { at: NOW, outcome: 'done', code: null, target: null, details: {} } as const;
    await trail.tell({ tenant, id: facts.id, part: 'ended', end });
    await sealer.seal(100, PATIENT);
    const contents = (await all(tenant)).map(({ content }) => JSON.parse(content) as AuditFacts);
    expect(contents).toMatchObject([
      { outcome: 'done', operation: 'createWorkflow' },
      { id: facts.id, outcome: 'unknown', target: 'workflow:order' },
      { operation: 'lateEnd', outcome: 'done', details: { of: facts.id } },
    ]);
    await sign();
    expect((await verify(tenant)).problem).toBeNull();
  });

  it('a change and its end are one event, with the end’s outcome', async () => {
    const tenant = randomUUID();
    const facts = factsOf({ outcome: 'unknown' });
    await trail.tell({ tenant, id: facts.id, part: 'begun', facts, personal: PERSONAL });
    await trail.tell({
      tenant,
      id: facts.id,
      part: 'ended',
      end: { at: NOW, outcome: 'refused', code: 'CONFLICT', target: 'role:x', details: {} },
    });
    await sealer.seal(100, PATIENT);
    const [event, ...others] = await all(tenant);
    expect(others).toEqual([]);
    expect(JSON.parse(event?.content ?? '')).toMatchObject({
      id: facts.id,
      outcome: 'refused',
      code: 'CONFLICT',
      target: 'role:x',
    });
    const { rows } = await database.admin.query('select from audit_inbox where tenant_id = $1', [
      tenant,
    ]);
    expect(rows).toEqual([]);
  });

  it('a clock that jumps a year finds its partition', async () => {
    const tenant = randomUUID();
    const at = NOW + 400 * 86_400_000;
    const facts = factsOf({ id: ids.next(at), at });
    await trail.tell({ tenant, id: facts.id, part: 'whole', facts, personal: PERSONAL });
    await sealer.seal(100, PATIENT);
    expect(await all(tenant)).toHaveLength(1);
  });

  it('erasing what tells of a person leaves the chain whole, and exchanging it does not', async () => {
    const tenant = randomUUID();
    for (let i = 0; i < 3; i++) await tell(tenant);
    await sealer.seal(100, PATIENT);
    await sign();
    await database.admin.query(
      'update audit_events set personal = null where tenant_id = $1 and seq = 1',
      [tenant],
    );
    expect((await verify(tenant)).problem).toBeNull();
    await database.admin.query(
      `update audit_events set personal = personal || '{"source": "198.51.100.1"}'
       where tenant_id = $1 and seq = 2`,
      [tenant],
    );
    expect((await verify(tenant)).problem).toEqual({
      of: 'event',
      seq: 2,
      what: 'its source or client is not what was sealed',
    });
  });

  it('what is signed is written out once, and holds the chain by itself', async () => {
    const tenant = randomUUID();
    for (let i = 0; i < 5; i++) await tell(tenant);
    await sealer.seal(100, PATIENT);
    await sign();
    for (let i = 0; i < 2; i++) await tell(tenant);
    await sealer.seal(100, PATIENT);
    await sign();
    expect(await sign()).toBe(0);
    const names = [...written.keys()].filter((name) => name.startsWith(tenant));
    expect(names.map((name) => name.slice(37))).toEqual([
      'events/000000000001-000000000005.ndjson',
      'heads/000000000005.json',
      'events/000000000006-000000000007.ndjson',
      'heads/000000000007.json',
    ]);
    const lines = names
      .filter((name) => name.includes('/events/'))
      .flatMap((name) => (written.get(name) as string).trimEnd().split('\n'))
      .map((line) => ({ ...(JSON.parse(line) as SealedEvent), personal: null }));
    const heads = names
      .filter((name) => name.includes('/heads/'))
      .map((name) => JSON.parse(written.get(name) as string) as SignedHead);
    expect(await verifyAudit(tenant, each(lines), each(heads))).toEqual({
      events: 7,
      signedTo: 7,
      problem: null,
    });
    expect(JSON.stringify(lines)).not.toContain(PERSONAL.source);
  });

  it('names the first event that any of 1,000 tamperings made wrong', async () => {
    const tenant = randomUUID();
    const length = 60;
    for (let i = 0; i < length; i++) await tell(tenant, { target: `role:r${i}` });
    await sealer.seal(100, PATIENT);
    await sign();
    const events = await all(tenant);
    const heads = await headsOf(tenant);
    const random = createRandom(20261126);
    const below = (n: number) => random.int(0, n - 1);
    const seen = new Map<string, number>();
    for (let i = 0; i < 1_000; i++) {
      const { kind, tampered, first } = tamper(events, below);
      seen.set(kind, (seen.get(kind) ?? 0) + 1);
      const { problem } = await verifyAudit(tenant, each(tampered), each(heads));
      expect([kind, problem?.seq]).toEqual([kind, first]);
    }
    expect(seen.size).toBe(7);
  });
});

/** One tampering, and the place where it must be found. */
function tamper(
  events: readonly SealedEvent[],
  below: (n: number) => number,
): { kind: string; tampered: SealedEvent[]; first: number } {
  const kinds = ['edit', 'delete', 'insert', 'swap', 'cut', 'hash', 'rewrite'] as const;
  const kind = kinds[below(kinds.length)] as (typeof kinds)[number];
  const at = below(events.length - 1);
  const event = events[at] as SealedEvent;
  const before = events.slice(0, at);
  const after = events.slice(at + 1);
  const edited = { ...event, content: event.content.replace('key:abc', 'key:abd') };
  switch (kind) {
    case 'edit':
      return { kind, tampered: [...before, edited, ...after], first: at + 1 };
    case 'delete':
      return { kind, tampered: [...before, ...after], first: at + 1 };
    case 'insert':
      return { kind, tampered: [...before, event, event, ...after], first: at + 2 };
    case 'swap': {
      const [next, ...rest] = after as [SealedEvent, ...SealedEvent[]];
      return { kind, tampered: [...before, next, event, ...rest], first: at + 1 };
    }
    case 'cut':
      return { kind, tampered: [...before], first: at + 1 };
    case 'hash': {
      const hash = `${event.hash.slice(0, -1)}${event.hash.endsWith('0') ? '1' : '0'}`;
      return { kind, tampered: [...before, { ...event, hash }, ...after], first: at + 1 };
    }
    case 'rewrite':
      return {
        kind,
        tampered: [...before, ...rewritten(before, [edited, ...after])],
        first: events.length,
      };
  }
}

/** What a forger who knows the algorithm makes of the rest: a chain that holds together by itself. */
function rewritten(
  before: readonly SealedEvent[],
  rest: readonly SealedEvent[],
): readonly SealedEvent[] {
  const made: SealedEvent[] = [];
  for (const { content, personal } of rest) {
    const {
      tenant,
      seq: _seq,
      personal: _hash,
      ...facts
    } = JSON.parse(content) as AuditFacts & {
      tenant: string;
      seq: number;
      personal: string;
    };
    made.push(sealEvent(tenant, made.at(-1) ?? before.at(-1) ?? CHAIN_START, facts, personal));
  }
  return made;
}
