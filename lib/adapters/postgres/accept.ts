import { createHash } from 'node:crypto';
import type { Pool } from 'pg';
import { eventEnvelope, WORKFLOW_EVENTS_TOPIC } from '#core/event-envelope.ts';
import type { EventOf } from '#core/execution/events.ts';
import { timeOfId } from '#core/ids.ts';
import { canonicalJson, utf8Length } from '#core/json.ts';
import type {
  AcceptAnswer,
  AcceptRequest,
  Adopter,
  LoadedExecution,
} from '#ports/execution-store.ts';
import type { Ids } from '#ports/ids.ts';
import type { PayloadCodec } from '#ports/payload-codec.ts';
import { textArray, uuidArray } from './array-params.ts';
import { type Batcher, createBatcher } from './batcher.ts';
import { isBatchPoison, isTransient } from './errors.ts';
import type { Partitions } from './partitions.ts';
import { storableJson, storableText } from './payload-codec.ts';
import { encodeEvent } from './rows.ts';

/**
 * Accepting executions.
 *
 *  A1 an answer is given after the commit and never before;
 *  A2 one tenant a transaction, as the application role, under row-level security;
 *  A3 requests of a tenant that wait together are written together; one that cannot be written fails
 *     alone;
 *  A4 what was reserved in this process is adopted exactly when this request made the execution.
 */
export interface AcceptorDeps {
  /** Role `cloudflow_app`. */
  readonly pool: Pool;
  readonly codec: PayloadCodec;
  readonly ids: Ids;
  readonly partitions: Partitions;
  /** The engine of this process, if it has one. */
  readonly adopter: Adopter | null;
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** Rule 37 of docs/language.md. */
export const IDEMPOTENCY_MS = 90 * 86_400_000;

const LANES_PER_TENANT = 2;
const MAX_BATCH = 250;
const MAX_BATCH_BYTES = 4 * 1024 * 1024;
const MAX_WAITING = 20_000;
/** Above this, batchers of tenants that are quiet are forgotten. */
const MOST_TENANTS = 256;
const MAX_ROUNDS = 3;
const TRANSIENT_TRIES = 3;

interface Row {
  readonly request: AcceptRequest;
  readonly inputHash: string;
  readonly owner: string | null;
  readonly event: string;
  readonly message: string;
  readonly bytes: number;
}

type Written = AcceptAnswer | null;

export function createAcceptor(
  deps: AcceptorDeps,
): (request: AcceptRequest) => Promise<AcceptAnswer> {
  const { pool, codec, ids, partitions, adopter } = deps;
  const tenants = new Map<string, Batcher<Row, Written>>();

  function batcherOf(tenant: string): Batcher<Row, Written> {
    let batcher = tenants.get(tenant);
    if (batcher === undefined) {
      if (tenants.size >= MOST_TENANTS) {
        for (const [id, idle] of tenants) if (idle.idle) tenants.delete(id);
      }
      batcher = createBatcher<Row, Written>({
        lanes: LANES_PER_TENANT,
        maxItems: MAX_BATCH,
        maxWaiting: MAX_WAITING,
        weigh: (row) => row.bytes,
        maxWeight: MAX_BATCH_BYTES,
        exclusive: ({ request }) =>
          request.idempotency === null
            ? [request.id]
            : [request.id, `key:${request.idempotency.key}`],
        divisible: isBatchPoison,
        write: (rows) => write(pool, tenant, rows),
      });
      tenants.set(tenant, batcher);
    }
    return batcher;
  }

  async function accept(request: AcceptRequest): Promise<AcceptAnswer> {
    // Before it meets its neighbours: a batch cannot be formed around a malformed id.
    for (const id of [request.id, request.rootId]) {
      if (!UUID.test(id)) throw new TypeError(`execution id ${id} is not a UUID`);
    }
    if (!partitions.has(request.now)) await partitions.ensure(request.now);
    const born = timeOfId(request.id);
    // An id derived from a due time or a parent may lie in another month than today.
    if (!partitions.has(born)) await partitions.ensure(born);

    const owner = request.runtime === 'engine' ? (adopter?.reserve(request) ?? null) : null;
    let answer: AcceptAnswer | null = null;
    const created = createdEvent(request);
    try {
      const event = encodeEvent(codec, created, request.tenant);
      const message = codec.encode(createdMessage(request, ids.random()), request.tenant);
      const row: Row = {
        request,
        inputHash: createHash('sha256').update(canonicalJson(request.input)).digest('hex'),
        owner,
        event,
        message,
        bytes: utf8Length(event) + utf8Length(message) + 500,
      };
      for (let round = 0; answer === null && round < MAX_ROUNDS; round++) {
        answer = await batcherOf(request.tenant).add(row);
      }
    } finally {
      // One that is queued was written without an owner.
      if (owner !== null && answer?.kind !== 'accepted') adopter?.release(request, answer === null);
    }
    if (answer === null) {
      throw new Error(`execution ${request.id} kept meeting rivals that were not there to be read`);
    }
    if (owner !== null && answer.kind === 'accepted') adopter?.adopt(loaded(request, created));
    return answer;
  }

  return accept;
}

async function write(pool: Pool, tenant: string, rows: readonly Row[]): Promise<Written[]> {
  for (let tries = 0; ; tries++) {
    try {
      return await writeOnce(pool, tenant, rows);
    } catch (error) {
      // Steps of two parents, ending while their children are accepted, may wait for each other.
      if (!isTransient(error) || tries >= TRANSIENT_TRIES) throw error;
    }
  }
}

async function writeOnce(pool: Pool, tenant: string, rows: readonly Row[]): Promise<Written[]> {
  const requests = rows.map((row) => row.request);
  const { rows: answers } = await pool.query<{
    n: string;
    kind: AcceptAnswer['kind'] | null;
    execution_id: string | null;
  }>({
    name: 'accept_starts',
    text: `select * from accept_starts($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13,
             $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25)`,
    values: [
      tenant,
      requests.map((r) => new Date(r.now).toISOString()),
      uuidArray(requests.map((r) => r.id)),
      uuidArray(requests.map((r) => r.rootId)),
      requests.map((r) => r.parent?.executionId ?? null),
      requests.map((r) => r.parent?.step ?? r.lookedAtBy ?? null),
      requests.map((r) => r.retryOf),
      requests.map((r) => r.depth),
      requests.map((r) => r.workflowId),
      requests.map((r) => r.version),
      requests.map((r) => r.programHash),
      requests.map((r) => r.runtime),
      requests.map((r) => r.mode),
      requests.map((r) => storableJson(r.labels)),
      requests.map(searchDocument),
      requests.map((r) => (r.correlationId === null ? null : storableText(r.correlationId))),
      rows.map((row) => row.inputHash),
      rows.map((row) => row.owner),
      textArray(rows.map((row) => row.event)),
      WORKFLOW_EVENTS_TOPIC,
      textArray(rows.map((row) => row.message)),
      requests.map((r) => r.idempotency?.key ?? null),
      requests.map((r) => r.idempotency?.fingerprint ?? null),
      `${IDEMPOTENCY_MS} milliseconds`,
      requests.map((r) => r.priority ?? 0),
    ],
  });
  const written: Written[] = rows.map(() => null);
  for (const { n, kind, execution_id } of answers) {
    if (kind !== null && execution_id !== null) {
      written[Number(n) - 1] = { kind, executionId: execution_id };
    }
  }
  return written;
}

/** Null: nothing to find it by, so it costs the search indexes nothing. */
function searchDocument(request: AcceptRequest): string | null {
  const words = Object.entries(request.labels).flat().join(' ').trim();
  return words === '' ? null : storableText(words);
}

function createdEvent(request: AcceptRequest): EventOf<'execution_created'> {
  return {
    type: 'execution_created',
    workflow_id: request.workflowId,
    version: request.version,
    program_hash: request.programHash,
    runtime: request.runtime,
    ...(request.choice === undefined ? {} : { choice: request.choice }),
    input: request.input,
    root_id: request.rootId,
    parent:
      request.parent === null
        ? null
        : { execution_id: request.parent.executionId, step: request.parent.step },
    depth: request.depth,
    retry_of: request.retryOf,
    carried: request.carried,
    ...(request.keyRoots === undefined ? {} : { key_roots: request.keyRoots }),
    ...(request.priority ? { priority: request.priority } : {}),
    ...(request.trace === undefined ? {} : { trace: request.trace }),
  };
}

function createdMessage(request: AcceptRequest, eventId: string) {
  return eventEnvelope({
    id: eventId,
    type: 'workflow.execution.created',
    at: request.now,
    correlationId: request.correlationId,
    tenant: request.tenant,
    source: 'workflow-service',
    trace: request.trace,
    payload: {
      workflow_id: request.workflowId,
      version: request.version,
      execution_id: request.id,
      runtime: request.runtime,
      mode: request.mode,
      status: 'PENDING',
      seq: 1,
    },
  });
}

/** What `load_executions` would answer right after the commit. */
function loaded(request: AcceptRequest, created: EventOf<'execution_created'>): LoadedExecution {
  return {
    header: {
      tenant: request.tenant,
      mode: request.mode,
      id: request.id,
      rootId: request.rootId,
      parent: request.parent,
      depth: request.depth,
      workflowId: request.workflowId,
      version: request.version,
      programHash: request.programHash,
      runtime: request.runtime,
      labels: request.labels,
      correlationId: request.correlationId,
      createdAt: request.now,
    },
    epoch: 1,
    checkpoint: null,
    tail: [{ seq: 1, at: request.now, event: created }],
    signals: [],
    signalCount: 0,
  };
}
