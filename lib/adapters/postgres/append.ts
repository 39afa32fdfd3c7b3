import type { Pool } from 'pg';
import { METRICS } from '#config/metrics.ts';
import { isFinal } from '#core/execution/events.ts';
import { type Json, utf8Length } from '#core/json.ts';
import type { AppendAnswer, AppendRequest } from '#ports/execution-store.ts';
import { type Metrics, NO_METRICS } from '#ports/metrics.ts';
import type { PayloadCodec } from '#ports/payload-codec.ts';
import {
  boolArray,
  float8Array,
  int4Array,
  int8Array,
  textArray,
  uuidArray,
} from './array-params.ts';
import { type Batcher, createBatcher } from './batcher.ts';
import { FENCED, isBatchPoison, isTransient, sqlState, UNIQUE_VIOLATION } from './errors.ts';
import type { Partitions } from './partitions.ts';
import { encodeEvent, encodeOptional, seconds, secondsOrNull } from './rows.ts';

/**
 * The group committer of the engine: transitions of many executions, of many tenants, one statement.
 *
 *  G1 a transition is written whole or not at all, under the epoch it names;
 *  G2 two lanes: while one batch is on the disk the next is formed and sent;
 *  G3 an execution has at most one append in flight, so batches never wait for each other's rows;
 *  G4 a fenced or taken transition is an answer to its caller and no trouble to its neighbours.
 */
const LANES = 2;
const MAX_BATCH = 400;
const MAX_BATCH_BYTES = 4 * 1024 * 1024;
const MAX_WAITING = 50_000;
const TRANSIENT_TRIES = 3;

/** The statement's arguments, in order, for one connection or a pool. */
export interface Queryable {
  query(config: { name: string; text: string; values: unknown[] }): Promise<unknown>;
}

export interface PreparedAppend {
  readonly request: AppendRequest;
  readonly events: readonly string[];
  readonly bytes: number;
}

export function createAppender(deps: {
  /** Role `cloudflow_engine`. */
  readonly pool: Pool;
  readonly codec: PayloadCodec;
  readonly partitions: Partitions;
  readonly metrics?: Metrics;
}): Batcher<AppendRequest, AppendAnswer> & { append: Batcher<AppendRequest, AppendAnswer>['add'] } {
  const { pool, codec, partitions, metrics = NO_METRICS } = deps;
  const batcher = createBatcher<PreparedAppend, AppendAnswer>({
    lanes: LANES,
    maxItems: MAX_BATCH,
    maxWaiting: MAX_WAITING,
    weigh: (item) => item.bytes,
    maxWeight: MAX_BATCH_BYTES,
    divisible: (error) => isBatchPoison(error) && sqlState(error) !== null,
    async write(items) {
      const begun = performance.now();
      const answers = await writeAll(pool, codec, items);
      metrics.add(METRICS.AppendDuration, {}, performance.now() - begun);
      metrics.add(METRICS.AppendSize, {}, items.length);
      return answers;
    },
  });

  async function append(request: AppendRequest): Promise<AppendAnswer> {
    // The outbox is partitioned by the time it is written at; the rest by id, made at acceptance.
    if (!partitions.has(request.now)) await partitions.ensure(request.now);
    return batcher.add(prepare(codec, request));
  }

  return {
    append,
    add: append,
    drained: () => batcher.drained(),
    get waiting() {
      return batcher.waiting;
    },
    get idle() {
      return batcher.idle;
    },
  };
}

export function prepare(codec: PayloadCodec, request: AppendRequest): PreparedAppend {
  const events = request.events.map(({ event }) => encodeEvent(codec, event, request.tenant));
  let bytes = 300;
  for (const event of events) bytes += utf8Length(event) * 2 + 200;
  return { request, events, bytes };
}

async function writeAll(
  pool: Pool,
  codec: PayloadCodec,
  items: readonly PreparedAppend[],
): Promise<AppendAnswer[]> {
  const answers: AppendAnswer[] = items.map(() => 'written');
  let left = items.map((item, place) => ({ item, place }));
  // Each round takes out at least one that is fenced, or ends.
  for (let tries = 0; left.length > 0; ) {
    try {
      await writeTransitions(
        pool,
        codec,
        left.map((each) => each.item),
      );
      return answers;
    } catch (error) {
      if (sqlState(error) === FENCED) {
        const fenced = new Set(
          String((error as { detail?: string }).detail)
            .split(',')
            .map(Number),
        );
        for (const [i, each] of left.entries()) {
          if (fenced.has(i + 1)) answers[each.place] = 'fenced';
        }
        left = left.filter((_, i) => !fenced.has(i + 1));
      } else if (isTransient(error) && tries < TRANSIENT_TRIES) {
        tries += 1;
      } else if (sqlState(error) === UNIQUE_VIOLATION && left.length === 1) {
        answers[(left[0] as { place: number }).place] = 'conflict';
        return answers;
      } else {
        throw error;
      }
    }
  }
  return answers;
}

/** One call of `append_transitions`. Throws what the server says. */
export async function writeTransitions(
  target: Queryable,
  codec: PayloadCodec,
  items: readonly PreparedAppend[],
): Promise<void> {
  const batch = emptyBatch();
  const { x, e, s, c, g, k, o } = batch;

  for (const { request, events } of items) {
    const { tenant, execution } = request;
    const n = x.id.push(request.executionId);
    x.tenant.push(tenant);
    x.epoch.push(request.epoch);
    x.changes.push(execution !== null);
    x.status.push(execution?.status ?? null);
    x.phase.push(execution?.phase ?? null);
    x.started.push(secondsOrNull(execution?.startedAt ?? null));
    x.ended.push(
      execution !== null && isFinal(execution.status)
        ? seconds(execution.endedAt ?? request.now)
        : null,
    );
    x.output.push(execution === null ? null : encodeOptional(codec, execution.output, tenant));
    x.error.push(
      execution === null || execution.error === null
        ? null
        : codec.encode({ ...execution.error }, tenant),
    );
    x.compensation.push(execution?.compensation ?? null);
    const { parentSignal } = request;
    x.parent.push(parentSignal?.executionId ?? null);
    x.signal.push(
      parentSignal === null ? null : codec.encode(parentSignal.signal as unknown as Json, tenant),
    );
    x.now.push(seconds(request.now));
    for (const [i, recorded] of request.events.entries()) {
      e.of.push(n);
      e.seq.push(recorded.seq);
      e.at.push(seconds(recorded.at));
      e.type.push(recorded.event.type);
      e.payload.push(events[i] as string);
    }
    for (const step of request.steps) {
      s.of.push(n);
      s.step.push(step.step);
      s.status.push(step.status);
      s.class.push(step.class);
      s.reason.push(step.reason);
      s.phase.push(step.phase);
      s.attempts.push(step.attempts);
      s.started.push(secondsOrNull(step.startedAt));
      s.ended.push(secondsOrNull(step.endedAt));
      s.due.push(secondsOrNull(step.dueAt));
      s.output.push(encodeOptional(codec, step.output, tenant));
      s.error.push(step.error === null ? null : codec.encode({ ...step.error }, tenant));
    }
    if (request.checkpoint !== null) {
      c.of.push(n);
      c.seq.push(request.checkpoint.seq);
      c.state.push(codec.encode(request.checkpoint.state, tenant));
    }
    for (const id of request.consumedSignals) {
      g.of.push(n);
      g.id.push(id);
    }
    for (const { step, signal } of request.childSignals) {
      k.of.push(n);
      k.step.push(step);
      k.signal.push(codec.encode(signal as unknown as Json, tenant));
    }
    for (const message of request.outbox) {
      o.of.push(n);
      o.topic.push(message.topic);
      o.key.push(message.key);
      o.at.push(seconds(request.now));
      o.payload.push(codec.encode(message.payload, tenant));
    }
  }
  const values = Object.values(batch).flatMap((part) =>
    Object.values(part).map((column) => column.encode()),
  );
  await target.query({ name: 'append_transitions', text: CALL, values });
}

/** The values of one argument. */
interface Column<T> {
  /** Answers how many there are now. */
  push(value: T | null): number;
  encode(): Buffer;
}

function column<T>(encode: (values: readonly (T | null)[]) => Buffer): Column<T> {
  const values: (T | null)[] = [];
  return { push: (value) => values.push(value), encode: () => encode(values) };
}

/** One column per argument of `append_transitions`, in its order. */
function emptyBatch() {
  const text = (): Column<string> => column(textArray);
  const uuid = (): Column<string> => column(uuidArray);
  const int4 = (): Column<number> => column(int4Array);
  const time = (): Column<number> => column(float8Array);
  return {
    x: {
      tenant: uuid(),
      id: uuid(),
      epoch: int4(),
      changes: column(boolArray),
      status: text(),
      phase: text(),
      started: time(),
      ended: time(),
      output: text(),
      error: text(),
      compensation: text(),
      parent: uuid(),
      signal: text(),
      now: time(),
    },
    e: { of: int4(), seq: int4(), at: time(), type: text(), payload: text() },
    s: {
      of: int4(),
      step: text(),
      status: text(),
      class: text(),
      reason: text(),
      phase: text(),
      attempts: int4(),
      started: time(),
      ended: time(),
      due: time(),
      output: text(),
      error: text(),
    },
    c: { of: int4(), seq: int4(), state: text() },
    g: { of: int4(), id: column(int8Array) },
    k: { of: int4(), step: text(), signal: text() },
    o: { of: int4(), topic: text(), key: text(), at: time(), payload: text() },
  };
}

const CALL = `select append_transitions(${Object.values(emptyBatch())
  .flatMap((part) => Object.keys(part))
  .map((_, i) => `$${i + 1}`)
  .join(', ')})`;
