import { randomUUID } from 'node:crypto';
import type { Pool } from 'pg';
import { derivedId } from '#core/ids.ts';
import type {
  ExecutionOwnership,
  LoadedExecution,
  ReleaseAnswer,
  ReleaseRequest,
} from '#ports/execution-store.ts';
import type { Log } from '#ports/log.ts';
import type { Metrics } from '#ports/metrics.ts';
import type { PayloadCodec } from '#ports/payload-codec.ts';
import { createAppender } from './append.ts';
import { createBatcher } from './batcher.ts';
import { isBatchPoison } from './errors.ts';
import { letIn } from './let-in.ts';
import type { Partitions } from './partitions.ts';
import {
  decodeSignal,
  type LoadedRow,
  seconds,
  secondsOrNull,
  toHeader,
  toLoaded,
} from './rows.ts';

interface Named {
  readonly tenant: string;
  readonly executionId: string;
}

/** How many executions one load reads: bounds the memory of a take-over. */
const LOAD_BATCH = 200;
const MAX_WAITING = 50_000;
/** Signals that cannot be read and are told of once; of more nobody learns anything new. */
const MOST_TOLD = 1_000;

/** What an engine process does to the truth. `pool` is of role `cloudflow_engine`. */
export function createExecutionOwnership(deps: {
  readonly pool: Pool;
  readonly codec: PayloadCodec;
  readonly partitions: Partitions;
  readonly log: Log;
  readonly metrics?: Metrics;
}): ExecutionOwnership {
  const { pool, codec, log } = deps;
  const appender = createAppender(deps);
  /** Signals that were told of: each is looked at again and again. */
  const unreadable = new Set<string>();

  const releases = createBatcher<ReleaseRequest, boolean>({
    lanes: 1,
    maxItems: 500,
    maxWaiting: MAX_WAITING,
    divisible: isBatchPoison,
    async write(items) {
      const { rows } = await pool.query<{ n: string; released: boolean }>({
        name: 'release_executions',
        text: 'select * from release_executions($1, $2, $3, $4, $5)',
        values: [
          items.map((item) => item.tenant),
          items.map((item) => item.executionId),
          items.map((item) => item.epoch),
          items.map((item) => secondsOrNull(item.wakeAt)),
          items.map((item) => item.signalCount),
        ],
      });
      const answers = items.map(() => false);
      for (const row of rows) answers[Number(row.n) - 1] = row.released;
      return answers;
    },
  });

  const claims = createBatcher<Named & { readonly owner: string }, LoadedExecution | null>({
    lanes: 1,
    maxItems: LOAD_BATCH,
    maxWaiting: MAX_WAITING,
    divisible: isBatchPoison,
    exclusive: (item) => [item.executionId],
    async write(items) {
      // The newest: a process that lost its lease goes on under another name.
      const owner = items.at(-1)?.owner ?? '';
      const ours = items.filter((item) => item.owner === owner);
      const { rows } = await pool.query<IdRow>({
        name: 'claim_named',
        text: 'select * from claim_named($1, $2, $3)',
        values: [owner, ours.map((item) => item.tenant), ours.map((item) => item.executionId)],
      });
      const loaded = await load(owner, rows);
      const byId = new Map(loaded.map((each) => [each.header.id, each]));
      return items.map((item) =>
        item.owner === owner ? (byId.get(item.executionId) ?? null) : null,
      );
    },
  });

  async function load(
    owner: string,
    ids: readonly IdRow[],
    whole = false,
  ): Promise<LoadedExecution[]> {
    const loaded: LoadedExecution[] = [];
    for (let at = 0; at < ids.length; at += LOAD_BATCH) {
      const part = ids.slice(at, at + LOAD_BATCH);
      const { rows } = await pool.query<LoadedRow>({
        name: 'load_executions',
        text: 'select * from load_executions($1, $2, $3, $4)',
        values: [owner, part.map((row) => row.tenant_id), part.map((row) => row.id), whole],
      });
      for (const row of rows) {
        try {
          loaded.push(toLoaded(codec, row));
        } catch (error) {
          // One that cannot be read must not keep its neighbours from going on, nor be nobody's: it is told of.
          loaded.push({
            ...{ header: toHeader(row), epoch: row.epoch, signalCount: row.signals },
            ...{ checkpoint: null, tail: [], signals: [] },
            unreadable: error as Error,
          });
        }
      }
    }
    return loaded;
  }

  return {
    async claim(owner, limit, now, { each, left } = { each: limit, left: [] }) {
      const { rows } = await pool.query<IdRow>({
        name: 'claim_by_share',
        text: 'select * from claim_by_share($1, $2, to_timestamp($3), $4, $5, $6, $7)',
        values: [
          ...[owner, limit, seconds(now)],
          // Where the round begins: by chance, so that no tenant is always far from it.
          ...[randomUUID(), each, left.map(([tenant]) => tenant), left.map(([, more]) => more)],
        ],
      });
      return load(owner, rows);
    },
    claimOne: (owner, tenant, executionId) => claims.add({ owner, tenant, executionId }),
    async takeOver(owner, limit, full = []) {
      const { rows } = await pool.query<IdRow>({
        name: 'take_over_but',
        text: 'select * from take_over_but($1, $2, $3)',
        values: [owner, limit, full],
      });
      return load(owner, rows);
    },
    async takeOwnerless(owner, limit) {
      const { rows } = await pool.query<IdRow>('select * from take_ownerless($1, $2)', [
        owner,
        limit,
      ]);
      return load(owner, rows);
    },
    async owned(owner) {
      const { rows } = await pool.query<IdRow>('select * from owned_executions($1)', [owner]);
      return rows.map((row) => ({ tenant: row.tenant_id, executionId: row.id }));
    },
    async claimAgain(owner, executions) {
      const { rows } = await pool.query<IdRow>('select * from claim_again($1, $2, $3)', [
        owner,
        executions.map((each) => each.tenant),
        executions.map((each) => each.executionId),
      ]);
      return load(owner, rows);
    },
    async reload(owner, tenant, executionId, epoch, whole = false) {
      const [loaded] = await load(owner, [{ tenant_id: tenant, id: executionId }], whole);
      if (loaded?.epoch !== epoch) return null;
      if (loaded.unreadable !== undefined) throw loaded.unreadable;
      return loaded;
    },
    append: (request) => appender.append(request),
    async release(request): Promise<ReleaseAnswer> {
      if (await releases.add(request)) return 'released';
      const { rows } = await pool.query<{ epoch: number }>({
        name: 'epoch_of',
        text: 'select epoch from workflow_executions where tenant_id = $1 and id = $2',
        values: [request.tenant, request.executionId],
      });
      return rows[0]?.epoch === request.epoch ? 'signalled' : 'fenced';
    },
    async pendingSignals(owner, limit) {
      const { rows } = await pool.query<{
        id: string;
        tenant_id: string;
        execution_id: string;
        payload: string;
      }>({
        name: 'pending_signals',
        text: 'select * from pending_signals($1, $2)',
        values: [owner, limit],
      });
      return rows.flatMap((row) => {
        try {
          return [decodeSignal(codec, row, row.tenant_id)];
        } catch (error) {
          // It waits for whoever can read it, and nobody else waits for that.
          if (!unreadable.has(row.id) && unreadable.size < MOST_TOLD) {
            unreadable.add(row.id);
            const { tenant_id: tenant, execution_id } = row;
            log.error('SIGNAL_UNREADABLE', { tenant, execution_id, error });
          }
          return [];
        }
      });
    },
    letIn: (after, now) => letIn(pool, after, now),
    async heartbeat(owner, leaseMs) {
      // The row is made once; from then on a lease that ran out stays lost.
      const { rows } = await pool.query<{ held: boolean }>({
        name: 'heartbeat',
        text: `insert into engine_processes as p (owner, lease_until)
               values ($1, clock_timestamp() + $2 * interval '1 millisecond')
               on conflict (owner) do update
                 set lease_until = clock_timestamp() + $2 * interval '1 millisecond'
                 where p.lease_until > clock_timestamp()
               returning true as held`,
        values: [owner, leaseMs],
      });
      return rows.length === 1;
    },
    async resign(owner) {
      await pool.query(`update engine_processes set lease_until = '-infinity' where owner = $1`, [
        owner,
      ]);
      // Names of long gone processes of which nothing is left.
      await pool.query(
        `delete from engine_processes p
         where p.lease_until < clock_timestamp()
           and not exists (
             select from workflow_executions e where e.outcome is null and e.owner = p.owner)`,
      );
    },
    async requestApproval(request) {
      await pool.query({
        name: 'request_approval',
        text: `insert into approvals (tenant_id, id, execution_id, workflow_id, step, mode, assignees,
                 message, status, requested_at, due_at)
               values ($1, $2, $3, $4, $5, $6, $7, $8, 'pending', to_timestamp($9), to_timestamp($10))
               on conflict (tenant_id, execution_id, step) do nothing`,
        values: [
          request.tenant,
          derivedId(request.executionId, `approval/${request.step}`),
          request.executionId,
          request.workflowId,
          request.step,
          request.mode,
          request.assignees,
          request.message === null ? null : codec.encode(request.message, request.tenant),
          seconds(request.requestedAt),
          seconds(request.dueAt),
        ],
      });
    },
    async closeApproval(tenant, executionId, step, now) {
      await pool.query({
        name: 'close_approval',
        text: `update approvals set status = 'closed', answered_at = to_timestamp($4)
               where tenant_id = $1 and execution_id = $2 and step = $3 and status = 'pending'`,
        values: [tenant, executionId, step, seconds(now)],
      });
    },
    async openCallback(tokenHash, callback) {
      await pool.query({
        name: 'open_callback',
        text: `insert into callbacks (token_hash, tenant_id, execution_id, step, mode, expires_at)
               values ($1, $2, $3, $4, $5, to_timestamp($6)) on conflict do nothing`,
        values: [
          tokenHash,
          callback.tenant,
          callback.executionId,
          callback.step,
          callback.mode,
          seconds(callback.expiresAt),
        ],
      });
    },
  };
}

interface IdRow {
  readonly tenant_id: string;
  readonly id: string;
}
