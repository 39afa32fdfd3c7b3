/**
 * The least that could write the same rows to the same tables: no fence, no security, no state and no
 * decisions; a loop over texts made beforehand and two connections that commit in groups. What the
 * engine's figure is a fraction of.
 */
import pg from 'pg';
import { createIds } from '#adapters/local/ids.ts';
import { createBatcher } from '#adapters/postgres/batcher.ts';
import { TENANT } from '#test/support/platform.ts';

interface Transition {
  readonly id: string;
  readonly seq: number;
  readonly events: readonly string[];
  readonly payloads: readonly string[];
  readonly steps: readonly (readonly [step: string, status: string, output: string | null])[];
  readonly insert: boolean;
  readonly status: string | null;
  readonly message: boolean;
}

const MESSAGE = `0:${JSON.stringify({ event_id: '0'.repeat(36), event_type: 'workflow.execution.completed', timestamp: '2026-11-22T12:00:00.000Z', correlation_id: null, tenant_id: TENANT, payload: { workflow_id: 'chain', version: '1.0.0', execution_id: '0'.repeat(36), runtime: 'engine', mode: 'live', status: 'COMPLETED', seq: 11, duration_ms: 12, error: null, compensation: 'NONE' }, metadata: { source_service: 'workflow-engine', schema_version: '1.0' } })}`;
const CREATED = `0:${JSON.stringify({ type: 'execution_created', workflow_id: 'chain', version: '1.0.0', program_hash: '0'.repeat(64), runtime: 'engine', input: { key: 'value', n: 1 }, root_id: '0'.repeat(36), parent: null, depth: 0, retry_of: null, carried: null })}`;
const STARTED = `0:${JSON.stringify({ type: 'step_started', step: 'step-1', config: { url: 'https://example.com/', method: 'POST' } })}`;
const SUCCEEDED = `0:${JSON.stringify({ type: 'step_succeeded', step: 'step-1', output: { attempt: 1, ok: true }, attempts: 1, compensation: null })}`;
const OUTPUT = '0:{"attempt":1,"ok":true}';

const SQL = `
  with made as (
    insert into workflow_executions (tenant_id, id, root_id, depth, workflow_id, version,
      program_hash, runtime, mode, status, input_hash, owner, epoch, created_at)
    select '${TENANT}', i, i, 0, 'chain', '1.0.0', repeat('0', 64), 'engine', 'live', 'PENDING',
      repeat('0', 64), 'bare', 1, now() from unnest($1::uuid[]) i
  ), changed as (
    update workflow_executions e set status = u.s, started_at = now(),
      ended_at = case when u.s = 'COMPLETED' then now() end,
      owner = case when u.s = 'COMPLETED' then null else owner end
    from unnest($2::uuid[], $3::text[], $14::uuid[]) u (i, s, t)
    where e.tenant_id = u.t and e.id = u.i
  ), logged as (
    insert into execution_events (tenant_id, execution_id, seq, epoch, at, type, payload)
    select '${TENANT}', i, q, 1, now(), t, p
    from unnest($4::uuid[], $5::int[], $6::text[], $7::text[]) l (i, q, t, p)
  ), stepped as (
    insert into workflow_steps (tenant_id, execution_id, step, status, attempts, started_at, output)
    select '${TENANT}', i, s, t, 1, now(), o
    from unnest($8::uuid[], $9::text[], $10::text[], $11::text[]) l (i, s, t, o)
    on conflict (tenant_id, execution_id, step)
      do update set status = excluded.status, ended_at = now(), output = excluded.output
  )
  insert into outbox (tenant_id, topic, key, at, payload)
  select '${TENANT}', 'workflow.events', i::text, now(), $13 from unnest($12::uuid[]) i`;

export interface BareLoop {
  /** Resolves when the first row is durable, with what resolves when the last one is. */
  submit(): Promise<{ readonly ended: Promise<void> }>;
  close(): Promise<void>;
}

export async function createBareLoop(url: string, steps: number): Promise<BareLoop> {
  const pool = new pg.Pool({
    connectionString: url,
    max: 2,
    options:
      '-c plan_cache_mode=force_generic_plan -c enable_hashjoin=off -c enable_mergejoin=off -c enable_seqscan=off',
  });
  await pool.query('select ensure_partitions(now(), now())');
  const batcher = createBatcher<Transition, null>({
    lanes: 2,
    maxItems: 400,
    maxWaiting: 1_000_000,
    divisible: () => false,
    async write(items) {
      const inserts = items.filter((item) => item.insert);
      const changes = items.filter((item) => item.status !== null);
      const events = items.flatMap((item) => item.events.map((type, i) => ({ item, type, i })));
      const stepped = items.flatMap((item) => item.steps.map((step) => ({ item, step })));
      await pool.query({
        name: 'bare',
        text: SQL,
        values: [
          inserts.map((item) => item.id),
          changes.map((item) => item.id),
          changes.map((item) => item.status),
          events.map(({ item }) => item.id),
          events.map(({ item, i }) => item.seq + i),
          events.map(({ type }) => type),
          events.map(({ item, i }) => item.payloads[i]),
          stepped.map(({ item }) => item.id),
          stepped.map(({ step }) => step[0]),
          stepped.map(({ step }) => step[1]),
          stepped.map(({ step }) => step[2]),
          items.filter((item) => item.message).map((item) => item.id),
          MESSAGE,
          changes.map(() => TENANT),
        ],
      });
      return items.map(() => null);
    },
  });
  const ids = createIds();

  async function submit(): Promise<{ readonly ended: Promise<void> }> {
    const id = ids.next(Date.now());
    const write = (more: Partial<Transition> & Pick<Transition, 'seq' | 'events' | 'payloads'>) =>
      batcher.add({ id, steps: [], insert: false, status: null, message: false, ...more });
    await write({
      seq: 1,
      events: ['execution_created'],
      payloads: [CREATED],
      insert: true,
      message: true,
    });
    async function run(): Promise<void> {
      let seq = 2;
      for (let step = 0; step <= steps; step++) {
        const first = step === 0;
        const last = step === steps;
        await write({
          seq,
          events: [
            first ? 'execution_started' : 'step_succeeded',
            last ? 'execution_completed' : 'step_started',
          ],
          payloads: [first ? STARTED : SUCCEEDED, last ? SUCCEEDED : STARTED],
          steps: [
            ...(first ? [] : [[`step-${step}`, 'SUCCESS', OUTPUT] as const]),
            ...(last ? [] : [[`step-${step + 1}`, 'EXECUTING', null] as const]),
          ],
          status: first ? 'RUNNING' : last ? 'COMPLETED' : null,
          message: first || last,
        });
        seq += 2;
      }
    }
    return { ended: run() };
  }

  return { submit, close: () => pool.end() };
}

/** All of them at once. */
export async function measureBareLoop(
  url: string,
  count: number,
  steps: number,
  latencies: number[],
): Promise<void> {
  const loop = await createBareLoop(url, steps);
  async function one(): Promise<void> {
    const from = performance.now();
    await (await loop.submit()).ended;
    latencies.push(performance.now() - from);
  }
  await Promise.all(Array.from({ length: count }, one));
  await loop.close();
}
