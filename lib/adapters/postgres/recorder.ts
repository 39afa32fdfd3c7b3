import type { Pool, PoolClient } from 'pg';
import { CloudFlowError } from '#core/errors.ts';
import type { ExecutionEvent, ExecutionStatus, RecordedEvent } from '#core/execution/events.ts';
import type { Json } from '#core/json.ts';
import type {
  AppendRequest,
  ExecutionRecorder,
  RecordedFacts,
  Recording,
} from '#ports/execution-store.ts';
import type { PayloadCodec } from '#ports/payload-codec.ts';
import { QUARANTINE_OWNER } from '#ports/quarantine.ts';
import { prepare, writeTransitions } from './append.ts';
import { type Batcher, createBatcher } from './batcher.ts';
import { isBatchPoison, isTransient } from './errors.ts';
import type { Partitions } from './partitions.ts';
import { asStored } from './payload-codec.ts';
import { withTenant } from './pool.ts';
import { decodeEvent, type HeaderRow, toHeader } from './rows.ts';

/**
 * Recording for the Step Functions runtime: there the state machine decides and tasks report what
 * happened, several at once and possibly twice.
 *
 *  R1 sequence numbers are given under the lock of the execution's row;
 *  R2 whoever decides sees every event before his own, so what is recorded already is his to know;
 *  R3 one record reads what its caller has not read, and nothing else that grows with the log;
 *  R4 this process waits for the lock of an execution with one session: what is reported of it
 *     meanwhile is decided in order under the next lock and written together. Tasks that wait each with
 *     a session of their own take the pool from everybody else (40 at once: 200 ms a record, measured).
 */
export function createExecutionRecorder(deps: {
  /** Role `cloudflow_app`. */
  readonly pool: Pool;
  readonly codec: PayloadCodec;
  readonly partitions: Partitions;
}): ExecutionRecorder {
  const { pool, codec, partitions } = deps;
  const queues = new Map<string, Batcher<Report, Answer>>();

  function queueOf(tenant: string, executionId: string): Batcher<Report, Answer> {
    const name = `${tenant}/${executionId}`;
    const known = queues.get(name);
    if (known !== undefined) return known;
    const made = createBatcher<Report, Answer>({
      lanes: 1,
      maxItems: MAX_REPORTS,
      maxWaiting: MAX_WAITING,
      divisible: isBatchPoison,
      write: (reports) => writePatiently(tenant, executionId, reports),
    });
    queues.set(name, made);
    return made;
  }

  async function writePatiently(
    tenant: string,
    executionId: string,
    reports: readonly Report[],
  ): Promise<readonly Answer[]> {
    for (let tries = 0; ; tries++) {
      try {
        return await withTenant(pool, tenant, (client) =>
          write(client, codec, tenant, executionId, reports),
        );
      } catch (error) {
        if (!isTransient(error) || tries >= TRANSIENT_TRIES) throw error;
      }
    }
  }

  return {
    async record(tenant, executionId, now, after, decide) {
      if (!partitions.has(now)) await partitions.ensure(now);
      const queue = queueOf(tenant, executionId);
      try {
        const answer = await queue.add({ now, after, decide });
        if (answer.kind === 'refused') throw answer.error;
        return answer.added;
      } finally {
        if (queue.idle) queues.delete(`${tenant}/${executionId}`);
      }
    },
  };
}

const MAX_REPORTS = 64;
const MAX_WAITING = 10_000;
const TRANSIENT_TRIES = 3;

interface Report {
  readonly now: number;
  readonly after: number;
  readonly decide: (facts: RecordedFacts) => Recording;
}

type Answer =
  | { readonly kind: 'recorded'; readonly added: readonly RecordedEvent[] | null }
  /** What `decide` threw: its caller's alone. */
  | { readonly kind: 'refused'; readonly error: unknown };

async function write(
  client: PoolClient,
  codec: PayloadCodec,
  tenant: string,
  executionId: string,
  reports: readonly Report[],
): Promise<readonly Answer[]> {
  const { rows } = await client.query<LockedRow>({
    name: 'lock_execution',
    text: LOCK,
    values: [tenant, executionId],
  });
  const row = rows[0];
  if (row === undefined) return reports.map(() => ({ kind: 'recorded', added: null }));
  if (row.owner === QUARANTINE_OWNER) {
    const error = new CloudFlowError(
      'EXECUTION_QUARANTINED',
      'it is set aside, so nothing is recorded',
    );
    return reports.map(() => ({ kind: 'refused', error }));
  }
  const read = Math.min(...reports.map(({ after }) => after));
  const { rows: stored } = await client.query<StoredRow>({
    name: 'events_after',
    text: EVENTS_AFTER,
    values: [tenant, executionId, read],
  });
  const header = toHeader(row);
  const log = stored.map((each) => decodeEvent(codec, each, tenant));
  const fresh = log.length;
  let { status } = row;
  const recordings: Recording[] = [];
  const answers = reports.map(({ after, decide }): Answer => {
    let recording: Recording;
    try {
      recording = decide({ header, status, tail: log.slice(after - read) });
    } catch (error) {
      return { kind: 'refused', error };
    }
    const added = recording.events.map((event, i) => ({
      seq: read + log.length + 1 + i,
      at: recording.at,
      // As it will be read back: whoever decides next must see no other log than who comes later.
      event: asStored(event as unknown as Json) as unknown as ExecutionEvent,
    }));
    if (added.length > 0) {
      log.push(...added);
      recordings.push(recording);
      status = recording.execution?.status ?? status;
    }
    return { kind: 'recorded', added };
  });
  if (recordings.length > 0) {
    const now = Math.max(...reports.map((report) => report.now));
    const whole = { tenant, executionId, epoch: row.epoch, events: log.slice(fresh), now };
    await writeTransitions(client, codec, [prepare(codec, together(whole, recordings))]);
  }
  return answers;
}

/** Recordings of one execution, in order, as one transition: of what is projected the last counts. */
function together(
  whole: Pick<AppendRequest, 'tenant' | 'executionId' | 'epoch' | 'events' | 'now'>,
  recordings: readonly Recording[],
): AppendRequest {
  const steps = new Map(recordings.flatMap((one) => one.steps.map((step) => [step.step, step])));
  const last = <T>(of: (one: Recording) => T | null): T | null =>
    recordings.reduce<T | null>((found, one) => of(one) ?? found, null);
  return {
    ...whole,
    steps: [...steps.values()],
    execution: last(({ execution }) => execution),
    checkpoint: null,
    consumedSignals: [],
    outbox: recordings.flatMap(({ outbox }) => outbox),
    parentSignal: last(({ parentSignal }) => parentSignal),
    childSignals: recordings.flatMap(({ childSignals }) => childSignals),
  };
}

interface LockedRow extends HeaderRow {
  readonly status: ExecutionStatus;
  readonly epoch: number;
  readonly owner: string | null;
}

interface StoredRow {
  readonly seq: number;
  readonly at: number;
  readonly payload: string;
}

/** Not the input and the output: they may be large, and nobody asks for them here. */
const LOCK = `select tenant_id, id, root_id, parent_id, parent_step, depth, workflow_id, version,
    program_hash, runtime, mode, labels, correlation_id, created_at, status, epoch, owner
  from workflow_executions where tenant_id = $1 and id = $2 for update`;

const EVENTS_AFTER = `select seq, at, payload from execution_events
  where tenant_id = $1 and execution_id = $2 and seq > $3 order by seq`;
