import type { PoolClient, QueryResultRow } from 'pg';
import { type ExecutionStatus, isFinal } from '#core/execution/events.ts';
import { lowestIdAt } from '#core/ids.ts';
import type { ExecutionFilter, PageRequest } from '#ports/execution-store.ts';

/**
 * The list of executions, newest first. Ids are UUID v7, so the order of creation is the order of
 * ids: one keyset column, and a time range is a range of ids that names its partitions.
 */

/** Columns of a summary: no payloads but the error. */
const COLUMNS = `tenant_id, id, root_id, parent_id, parent_step, retry_of, depth, workflow_id,
  version, program_hash, runtime, mode, status, phase, priority, labels, correlation_id, owner, epoch, wake_at,
  created_at, started_at, ended_at, error, compensation`;

const LOWEST = '00000000-0000-0000-0000-000000000000';
const HIGHEST = 'ffffffff-ffff-ffff-ffff-ffffffffffff';

/** Ids found by one search, for each line that is wanted: other conditions take some away. */
const SEARCH_FACTOR = 20;
/** Searches for one page. */
const MAX_SEARCHES = 10;

function idRange(filter: ExecutionFilter, after: string | null): { from: string; to: string } {
  const from = filter.createdFrom === undefined ? LOWEST : lowestIdAt(filter.createdFrom);
  const to = filter.createdTo === undefined ? HIGHEST : lowestIdAt(filter.createdTo);
  return { from, to: after !== null && after < to ? after : to };
}

/** Ids that labels and text find, newest first; null: neither was asked for. */
async function searchIds(
  client: PoolClient,
  filter: ExecutionFilter,
  after: string | null,
  limit: number,
): Promise<readonly string[] | null> {
  const labels = filter.labels !== undefined && Object.keys(filter.labels).length > 0;
  if (!labels && (filter.text === undefined || filter.text.trim() === '')) return null;
  const { from, to } = idRange(filter, after);
  const { rows } = await client.query<{ id: string }>(
    'select search_executions($1, $2, $3, $4, $5) as id',
    [
      labels ? JSON.stringify(filter.labels) : null,
      filter.text?.trim() ? filter.text : null,
      from,
      to,
      limit,
    ],
  );
  return rows.map((row) => row.id);
}

/**
 * Lines of a page and one more, if there are so many. Where labels or text are asked for, ids are found
 * first and lines read of them, batch after batch, until there are enough. `searchedTo` is not null
 * when that was given up: everything from this id on has been looked at, and the next page goes on.
 */
export async function readLines<R extends QueryResultRow>(
  client: PoolClient,
  tenant: string,
  filter: ExecutionFilter,
  page: PageRequest,
): Promise<{ readonly lines: readonly R[]; readonly searchedTo: string | null }> {
  const wanted = page.limit + 1;
  const lines: R[] = [];
  let { after } = page;
  for (let searches = 0; searches < MAX_SEARCHES; searches++) {
    const batch = wanted * SEARCH_FACTOR;
    const ids = await searchIds(client, filter, after, batch);
    if (ids === null || ids.length > 0) {
      const { text, values } = listQuery(tenant, filter, ids, page.after, wanted - lines.length);
      lines.push(...(await client.query<R>(text, values)).rows);
    }
    if (ids === null || ids.length < batch || lines.length === wanted) {
      return { lines, searchedTo: null };
    }
    after = ids.at(-1) ?? null;
  }
  return { lines, searchedTo: after };
}

export function listQuery(
  tenant: string,
  filter: ExecutionFilter,
  ids: readonly string[] | null,
  after: string | null,
  limit: number,
): { text: string; values: unknown[] } {
  const { from, to } = idRange(filter, after);
  const values: unknown[] = [tenant, from, to];
  const where = ['tenant_id = $1', 'id >= $2', 'id < $3'];
  const equal = (column: string, value: unknown): void => {
    if (value !== undefined) where.push(`${column} = $${values.push(value)}`);
  };
  equal('workflow_id', filter.workflowId);
  equal('version', filter.version);
  equal('runtime', filter.runtime);
  equal('mode', filter.mode);
  equal('root_id', filter.rootId);
  equal('parent_id', filter.parentId);
  if (filter.workflowIds !== undefined) {
    where.push(`workflow_id = any ($${values.push(filter.workflowIds)})`);
  }
  if (filter.rootId !== undefined) where.push('root_id <> id');
  if (filter.statuses !== undefined && filter.statuses.length > 0) {
    where.push(statusCondition(filter.statuses, values));
  }
  if (filter.held === true) {
    where.push(`id in (select execution_id from waiting_starts where tenant_id = $1)`);
  }
  if (ids !== null) where.push(`id = any ($${values.push(ids)}::uuid[])`);
  return {
    text: `select ${COLUMNS} from workflow_executions where ${where.join(' and ')} order by id desc limit $${values.push(limit)}`,
    values,
  };
}

/**
 * Statuses in words that the partial indexes serve: `outcome` is the status once it is final. One
 * kind is a plain equality, so that the order of ids comes from the index too.
 */
function statusCondition(statuses: readonly ExecutionStatus[], values: unknown[]): string {
  const final = statuses.filter(isFinal);
  const active = statuses.filter((status) => !isFinal(status));
  const parts: string[] = [];
  if (final.length === 1) {
    parts.push(`outcome is not null and outcome = $${values.push(final[0])}`);
  } else if (final.length > 1) {
    parts.push(`outcome is not null and outcome = any ($${values.push(final)})`);
  }
  if (active.length > 0) {
    parts.push(`outcome is null and status = any ($${values.push(active)})`);
  }
  return `(${parts.map((part) => `(${part})`).join(' or ')})`;
}
