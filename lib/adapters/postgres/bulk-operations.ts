import type { Pool, PoolClient } from 'pg';
import type { Json } from '#core/json.ts';
import type {
  BulkAction,
  BulkOperation,
  BulkOperations,
  BulkRefusal,
  BulkRequest,
  BulkWork,
} from '#ports/bulk-operations.ts';
import type { Mode } from '#ports/execution-store.ts';
import type { PayloadCodec } from '#ports/payload-codec.ts';
import { clampLimit, HIGHEST_ID, paged } from './paging.ts';
import { readTenant, withTenant } from './pool.ts';
import { seconds, secondsOrNull } from './rows.ts';

interface Deps {
  readonly pool: Pool;
  readonly codec: PayloadCodec;
}

const ONE = 'tenant_id = $1 and mode = $2 and id = $3';

/** `pool`: role `cloudflow_app`. */
export function createPostgresBulkOperations({ pool, codec }: Deps): BulkOperations {
  async function find(client: PoolClient, tenant: string, mode: Mode, id: string) {
    const { rows } = await client.query<Row>(`select * from bulk_operations where ${ONE}`, [
      tenant,
      mode,
      id,
    ]);
    return rows[0] === undefined ? null : toOperation(codec, rows[0]);
  }
  return {
    create: (operation, mostOpen) =>
      withTenant(pool, operation.tenant, async (client) => {
        const { tenant, mode, id, action, createdBy, createdAt, most } = operation;
        const { rowCount } = await client.query(
          `insert into bulk_operations
             (tenant_id, id, mode, action, request, created_by, created_at, status, most)
           select $1, $2, $3, $4, $5, $6, to_timestamp($7), 'RUNNING', $8
           where (select count(*) from bulk_operations
                  where tenant_id = $1 and mode = $3 and status = 'RUNNING') < $9`,
          [
            ...[tenant, id, mode, action],
            codec.encode(operation.request as unknown as Json, tenant),
            ...[createdBy, seconds(createdAt), most, mostOpen],
          ],
        );
        return rowCount === 1;
      }),

    find: (tenant, mode, id) =>
      readTenant(pool, tenant, (client) => find(client, tenant, mode, id)),

    list: (tenant, mode, page) =>
      readTenant(pool, tenant, async (client) => {
        const limit = clampLimit(page);
        const { rows } = await client.query<Row>(
          `select * from bulk_operations
           where tenant_id = $1 and mode = $2 and id < $3 order by id desc limit $4`,
          [tenant, mode, page.after ?? HIGHEST_ID, limit + 1],
        );
        const items = rows.map((row) => toOperation(codec, row));
        return paged(items, limit, (item) => item.id);
      }),

    cancel: (tenant, mode, id, now) =>
      withTenant(pool, tenant, async (client) => {
        await client.query(
          `update bulk_operations set status = 'CANCELLED', ended_at = to_timestamp($4)
           where ${ONE} and status = 'RUNNING'`,
          [tenant, mode, id, seconds(now)],
        );
        return find(client, tenant, mode, id);
      }),
  };
}

/** `pool`: role `cloudflow_engine`. */
export function createBulkWork({ pool, codec }: Deps): BulkWork {
  return {
    async claim(leaseMs) {
      const { rows } = await pool.query<Row>(
        `select * from claim_bulk_operation($1 * interval '1 millisecond')`,
        [leaseMs],
      );
      const row = rows[0];
      return row === undefined ? null : { ...toOperation(codec, row), epoch: row.epoch };
    },
    async save({ tenant, id, epoch }, progress) {
      const { seen, changed, refused, failed, refusals, position, endedAt } = progress;
      // One that was cancelled meanwhile stays so, with what was done before it was.
      const { rowCount } = await pool.query(
        `update bulk_operations
         set seen = $4, changed = $5, refused = $6, failed = $7, refusals = $8, position = $9,
             lease_until = '-infinity',
             status = case when status = 'RUNNING' and $10::float8 is not null then 'COMPLETED'
                           else status end,
             ended_at = coalesce(ended_at, to_timestamp($10))
         where tenant_id = $1 and id = $2 and epoch = $3`,
        [
          ...[tenant, id, epoch, seen, changed, refused, failed],
          ...[JSON.stringify(refusals), position, secondsOrNull(endedAt)],
        ],
      );
      return rowCount === 1;
    },
  };
}

interface Row {
  readonly tenant_id: string;
  readonly id: string;
  readonly mode: Mode;
  readonly action: BulkAction;
  readonly request: string;
  readonly created_by: string;
  readonly created_at: number;
  readonly status: BulkOperation['status'];
  readonly most: number;
  readonly seen: number;
  readonly changed: number;
  readonly refused: number;
  readonly failed: number;
  readonly refusals: readonly BulkRefusal[];
  readonly position: string | null;
  readonly ended_at: number | null;
  readonly epoch: number;
}

function toOperation(codec: PayloadCodec, row: Row): BulkOperation {
  return {
    tenant: row.tenant_id,
    mode: row.mode,
    id: row.id,
    action: row.action,
    // Written by `create`, from this type.
    request: codec.decode(row.request, row.tenant_id) as unknown as BulkRequest,
    createdBy: row.created_by,
    createdAt: row.created_at,
    status: row.status,
    most: row.most,
    seen: row.seen,
    changed: row.changed,
    refused: row.refused,
    failed: row.failed,
    refusals: row.refusals,
    position: row.position,
    endedAt: row.ended_at,
  };
}
