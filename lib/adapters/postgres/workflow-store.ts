import type { Pool, PoolClient } from 'pg';
import type { WorkflowChanged } from '#core/events/schemas.ts';
import type { ExecutionStatus } from '#core/execution/events.ts';
import type { Json, JsonObject } from '#core/json.ts';
import type { Program, RuntimeChoice } from '#core/plan/program.ts';
import type { Mode, PageRequest } from '#ports/execution-store.ts';
import type { Ids } from '#ports/ids.ts';
import type { PayloadCodec } from '#ports/payload-codec.ts';
import type {
  NewVersion,
  ResolvedRuntime,
  StoreVersionAnswer,
  VersionRecord,
  VersionSummary,
  WorkflowRecord,
  WorkflowStore,
} from '#ports/workflow-store.ts';
import { createPartitions } from './partitions.ts';
import { readTenant, withTenant } from './pool.ts';
import { seconds, secondsOrNull } from './rows.ts';
import { createStartLimits, declareLimits } from './start-limits.ts';
import { tellWorkflowChanged } from './tell-changes.ts';

/** `pool`: role `cloudflow_app`. */
export function createPostgresWorkflowStore(deps: {
  readonly pool: Pool;
  readonly codec: PayloadCodec;
  readonly ids: Pick<Ids, 'random'>;
}): WorkflowStore {
  const { pool } = deps;
  const partitions = createPartitions(pool);
  /** A transaction that tells of what it changes. */
  const change = async <T>(
    tenant: string,
    at: number,
    act: (client: PoolClient, tell: Tell) => Promise<T>,
  ): Promise<T> => {
    if (!partitions.has(at)) await partitions.ensure(at);
    return withTenant(pool, tenant, (client) =>
      act(client, (payload) => tellWorkflowChanged(client, deps, { tenant, at, payload })),
    );
  };
  return {
    ...createStartLimits(pool),
    storeVersion: (version) =>
      change(version.tenant, version.now, (client, tell) => storeVersion(client, tell, version)),

    async find(tenant, mode, workflowId) {
      const { rows } = await pool.query<WorkflowRow>({
        name: 'show-workflow',
        text: 'select * from show_workflow($1, $2, $3)',
        values: [tenant, mode, workflowId],
      });
      return rows[0] === undefined
        ? null
        : toWorkflow(tenant, mode, { ...rows[0], workflow_id: workflowId });
    },

    async latestExecution(tenant, mode, workflowId) {
      const { rows } = await pool.query<LatestRow>({
        name: 'latest-execution',
        text: 'select * from latest_execution($1, $2, $3)',
        values: [tenant, mode, workflowId],
      });
      const row = rows[0];
      return row === undefined
        ? null
        : {
            id: row.id,
            status: row.status,
            version: row.version,
            createdAt: row.created_at,
            endedAt: row.ended_at,
          };
    },

    list: (tenant, mode, filter, page) =>
      readTenant(pool, tenant, async (client) => {
        const { workflowIds } = filter;
        // A key for a hundred workflows at most: they are read and looked at, not searched for.
        const ids = workflowIds === undefined ? await searchIds(client, mode, filter, page) : null;
        const looked: typeof filter = workflowIds === undefined ? {} : filter;
        const { rows } = await client.query<WorkflowRow>(
          `select workflow_id, version, description, runtime, step_count, version_count, revision,
                  created_at, updated_at, paused_at, paused_by, pause_reason
           from workflows
           left join start_gates using (tenant_id, mode, workflow_id)
           where tenant_id = $1 and mode = $2 and deleted_at is null
             and ($3::text is null or workflow_id > $3)
             and ($4::text[] is null or workflow_id = any ($4))
             and ($5::text[] is null or workflow_id = any ($5))
             and ($6::text is null or search @@ plainto_tsquery('simple', $6))
             and ($7::jsonb is null or definition @> $7)
           order by workflow_id limit $8`,
          [
            tenant,
            mode,
            page.after,
            ids,
            workflowIds ?? null,
            looked.text ?? null,
            stepTypePattern(looked.stepType),
            page.limit + 1,
          ],
        );
        return pageOf(
          rows.map((row) => toWorkflow(tenant, mode, row)),
          page.limit,
          (item) => item.workflowId,
        );
      }),

    remove: (tenant, mode, workflowId, revision, now) =>
      change(tenant, now, async (client, tell) => {
        const held = await lockWorkflow(client, tenant, mode, workflowId);
        if (held === null || held.deleted) return 'not_found';
        if (revision !== null && held.revision !== revision) return 'changed';
        if (await isPaused(client, tenant, mode, workflowId)) return 'paused';
        await client.query(
          `update workflows
           set deleted_at = to_timestamp($4), updated_at = to_timestamp($4),
               revision = revision + 1, version_count = 0
           where tenant_id = $1 and mode = $2 and workflow_id = $3`,
          [tenant, mode, workflowId, seconds(now)],
        );
        await client.query(
          `update workflow_versions set deleted_at = to_timestamp($4)
           where tenant_id = $1 and mode = $2 and workflow_id = $3 and deleted_at is null`,
          [tenant, mode, workflowId, seconds(now)],
        );
        await tell({
          ...{ mode, workflow_id: workflowId },
          ...{ revision: held.revision + 1, change: 'deleted' },
        });
        return 'removed';
      }),

    setPause: (tenant, mode, workflowId, wanted) =>
      change(tenant, wanted.now, async (client, tell) => {
        const held = await lockWorkflow(client, tenant, mode, workflowId);
        if (held === null || held.deleted) return 'not_found';
        if (wanted.revision !== null && held.revision !== wanted.revision) return 'changed';
        const { pause } = wanted;
        if ((await isPaused(client, tenant, mode, workflowId)) === (pause !== null)) return 'same';
        await client.query(
          `insert into start_gates
             (tenant_id, mode, workflow_id, paused_at, paused_by, pause_reason)
           values ($1, $2, $3, to_timestamp($4), $5, $6)
           on conflict (tenant_id, mode, workflow_id) do update
             set paused_at = excluded.paused_at, paused_by = excluded.paused_by,
                 pause_reason = excluded.pause_reason`,
          [
            tenant,
            mode,
            workflowId,
            secondsOrNull(pause?.at ?? null),
            pause?.by ?? null,
            pause?.reason ?? null,
          ],
        );
        await client.query(
          `update workflows set revision = revision + 1, updated_at = to_timestamp($4)
           where tenant_id = $1 and mode = $2 and workflow_id = $3`,
          [tenant, mode, workflowId, seconds(wanted.now)],
        );
        await tell({
          ...{ mode, workflow_id: workflowId },
          ...{ revision: held.revision + 1, change: pause === null ? 'resumed' : 'paused' },
        });
        return 'done';
      }),

    findVersion: (tenant, mode, workflowId, version) =>
      readTenant(pool, tenant, (client) =>
        readVersion(client, tenant, mode, workflowId, version, false),
      ),

    listVersions: (tenant, mode, workflowId, page) =>
      readTenant(pool, tenant, async (client) => {
        const { rows } = await client.query<VersionSummaryRow>(
          `select workflow_id, version, description, definition_hash, program_hash, created_at,
                  created_by
           from workflow_versions
           where tenant_id = $1 and mode = $2 and workflow_id = $3 and deleted_at is null
             and ($4::integer[] is null or numbers < $4)
           order by numbers desc limit $5`,
          [
            tenant,
            mode,
            workflowId,
            page.after === null ? null : numbersOf(page.after),
            page.limit + 1,
          ],
        );
        return pageOf(rows.map(toSummary), page.limit, (item) => item.version);
      }),
  };
}

/** What the filter finds, one more than the page; null: there is no filter. */
/** What a definition contains that has such a step at its top. */
function stepTypePattern(stepType: string | undefined): string | null {
  return stepType === undefined ? null : JSON.stringify({ steps: [{ type: stepType }] });
}

async function searchIds(
  client: PoolClient,
  mode: Mode,
  filter: { readonly text?: string; readonly stepType?: string },
  page: PageRequest,
): Promise<readonly string[] | null> {
  const { text = null, stepType } = filter;
  if (text === null && stepType === undefined) return null;
  const { rows } = await client.query<{ id: string }>(
    'select search_workflows($1, $2, $3, $4, $5) as id',
    [mode, text, stepTypePattern(stepType), page.after, page.limit + 1],
  );
  return rows.map(({ id }) => id);
}

type Tell = (payload: WorkflowChanged) => Promise<void>;

async function storeVersion(
  client: PoolClient,
  tell: Tell,
  version: NewVersion,
): Promise<StoreVersionAnswer> {
  const { tenant, mode, workflowId, expectedRevision } = version;
  let held = await lockWorkflow(client, tenant, mode, workflowId);
  const isNew = held === null;
  const present = held !== null && !held.deleted;
  if (expectedRevision !== null) {
    if (!present) return { kind: 'not_found' };
    if (held?.revision !== expectedRevision) return { kind: 'changed' };
  }
  if (held === null) {
    // The row comes before its first version; what it shows is written at the end, below.
    await client.query(
      `insert into workflows
         (tenant_id, mode, workflow_id, version, description, runtime, step_count, version_count,
          revision, definition, created_at, updated_at, deleted_at)
       values ($1, $2, $3, $4, null, $5, 0, 0, 0, '{}', to_timestamp($6), to_timestamp($6),
               to_timestamp($6))
       on conflict do nothing`,
      [tenant, mode, workflowId, version.version, version.runtime.choice, seconds(version.now)],
    );
    held = await lockWorkflow(client, tenant, mode, workflowId);
    if (held === null) throw new Error('a workflow that was just inserted is not there');
  }
  const earlier = await readVersion(client, tenant, mode, workflowId, version.version, true);
  if (earlier !== null && earlier.definitionHash !== version.definitionHash) {
    return { kind: 'taken' };
  }
  if (earlier !== null && !earlier.deleted) {
    return { kind: 'existing', record: earlier, ...held };
  }
  if (earlier !== null) await restoreVersion(client, version);
  else await insertVersion(client, version);
  const shown = await showHighest(client, version, held.deleted);
  await declareLimits(client, tenant, mode, workflowId, isNew, version.now);
  const { revision } = shown;
  await tell({ mode, workflow_id: workflowId, revision, change: 'stored' });
  const record = await readVersion(client, tenant, mode, workflowId, version.version, false);
  if (record === null) throw new Error('a version that was just stored is not there');
  return { kind: 'stored', record, ...shown };
}

/** Under the workflow's lock. */
async function isPaused(
  client: PoolClient,
  tenant: string,
  mode: Mode,
  workflowId: string,
): Promise<boolean> {
  const { rowCount } = await client.query(
    `select from start_gates
     where tenant_id = $1 and mode = $2 and workflow_id = $3 and paused_at is not null`,
    [tenant, mode, workflowId],
  );
  return rowCount === 1;
}

interface HeldWorkflow {
  readonly revision: number;
  readonly updatedAt: number;
  readonly deleted: boolean;
}

async function lockWorkflow(
  client: PoolClient,
  tenant: string,
  mode: Mode,
  workflowId: string,
): Promise<HeldWorkflow | null> {
  const { rows } = await client.query<HeldWorkflow>(
    `select revision, updated_at as "updatedAt", deleted_at is not null as deleted from workflows
     where tenant_id = $1 and mode = $2 and workflow_id = $3 for update`,
    [tenant, mode, workflowId],
  );
  return rows[0] ?? null;
}

async function insertVersion(client: PoolClient, version: NewVersion): Promise<void> {
  await client.query(
    `insert into workflow_versions
       (tenant_id, mode, workflow_id, version, numbers, description, definition, definition_hash,
        program, program_hash, warnings, report, runtime, created_at, created_by)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, to_timestamp($14), $15)`,
    [
      version.tenant,
      version.mode,
      version.workflowId,
      version.version,
      numbersOf(version.version),
      descriptionOf(version.definition),
      JSON.stringify(version.definition),
      version.definitionHash,
      JSON.stringify(version.program),
      version.program.hash,
      JSON.stringify(version.warnings),
      JSON.stringify(version.report),
      JSON.stringify(version.runtime),
      seconds(version.now),
      version.createdBy,
    ],
  );
}

async function restoreVersion(client: PoolClient, version: NewVersion): Promise<void> {
  await client.query(
    `update workflow_versions set deleted_at = null
     where tenant_id = $1 and mode = $2 and workflow_id = $3 and version = $4`,
    [version.tenant, version.mode, version.workflowId, version.version],
  );
}

/** Writes what the workflow's row shows: its highest version. */
async function showHighest(
  client: PoolClient,
  version: NewVersion,
  anew: boolean,
): Promise<Omit<HeldWorkflow, 'deleted'>> {
  const { rows } = await client.query<Omit<HeldWorkflow, 'deleted'>>(
    `update workflows w
     set version = v.version, description = v.description, definition = v.definition::jsonb,
         runtime = v.runtime ->> 'choice', step_count = json_array_length(v.definition -> 'steps'),
         version_count = v.version_count, revision = w.revision + 1,
         created_at = case when $5 then to_timestamp($4) else w.created_at end,
         updated_at = to_timestamp($4), deleted_at = null
     from (
       select version, description, definition, runtime, count(*) over () as version_count
       from workflow_versions
       where tenant_id = $1 and mode = $2 and workflow_id = $3 and deleted_at is null
       order by numbers desc limit 1
     ) v
     where w.tenant_id = $1 and w.mode = $2 and w.workflow_id = $3
     returning w.revision, w.updated_at as "updatedAt"`,
    [version.tenant, version.mode, version.workflowId, seconds(version.now), anew],
  );
  if (rows[0] === undefined) throw new Error('a workflow that was locked is not there');
  return rows[0];
}

async function readVersion(
  client: PoolClient,
  tenant: string,
  mode: Mode,
  workflowId: string,
  version: string | null,
  alsoDeleted: boolean,
): Promise<(VersionRecord & { readonly deleted: boolean }) | null> {
  const { rows } = await client.query<VersionRow>(
    `select workflow_id, version, description, definition, definition_hash, program, program_hash,
            warnings, report, runtime, created_at, created_by, deleted_at is not null as deleted
     from workflow_versions
     where tenant_id = $1 and mode = $2 and workflow_id = $3
       and ($4::text is null or version = $4) and ($5 or deleted_at is null)
     order by numbers desc limit 1`,
    [tenant, mode, workflowId, version, alsoDeleted],
  );
  const row = rows[0];
  return row === undefined
    ? null
    : {
        ...toSummary(row),
        tenant,
        mode,
        definition: row.definition,
        program: row.program,
        warnings: row.warnings,
        report: row.report,
        runtime: row.runtime,
        deleted: row.deleted,
      };
}

interface WorkflowRow {
  readonly workflow_id: string;
  readonly version: string;
  readonly description: string | null;
  readonly runtime: RuntimeChoice;
  readonly step_count: number;
  readonly version_count: number;
  readonly revision: number;
  readonly created_at: number;
  readonly updated_at: number;
  readonly paused_at: number | null;
  readonly paused_by: string | null;
  readonly pause_reason: string | null;
}

interface LatestRow {
  readonly id: string;
  readonly status: ExecutionStatus;
  readonly version: string;
  readonly created_at: number;
  readonly ended_at: number | null;
}

interface VersionSummaryRow {
  readonly workflow_id: string;
  readonly version: string;
  readonly description: string | null;
  readonly definition_hash: string;
  readonly program_hash: string;
  readonly created_at: number;
  readonly created_by: string;
}

/** The json columns hold what `insertVersion` wrote, from the port's types. */
interface VersionRow extends VersionSummaryRow {
  readonly definition: JsonObject;
  readonly program: Program;
  readonly warnings: Json;
  readonly report: Json;
  readonly runtime: ResolvedRuntime;
  readonly deleted: boolean;
}

function toWorkflow(tenant: string, mode: Mode, row: WorkflowRow): WorkflowRecord {
  return {
    tenant,
    mode,
    workflowId: row.workflow_id,
    version: row.version,
    description: row.description,
    runtime: row.runtime,
    stepCount: row.step_count,
    versionCount: row.version_count,
    revision: row.revision,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    pause:
      row.paused_at === null
        ? null
        : { at: row.paused_at, by: row.paused_by ?? '', reason: row.pause_reason },
  };
}

function toSummary(row: VersionSummaryRow): VersionSummary {
  return {
    workflowId: row.workflow_id,
    version: row.version,
    description: row.description,
    definitionHash: row.definition_hash,
    programHash: row.program_hash,
    createdAt: row.created_at,
    createdBy: row.created_by,
  };
}

function numbersOf(version: string): number[] {
  return version.split('.').map(Number);
}

function descriptionOf(definition: JsonObject): string | null {
  const description = definition['description'];
  return typeof description === 'string' ? description : null;
}

/** One row more than asked for was read: it tells whether there is a next page. */
export function pageOf<T>(
  rows: readonly T[],
  limit: number,
  positionOf: (item: T) => string,
): { readonly items: readonly T[]; readonly next: string | null } {
  const items = rows.slice(0, limit);
  const last = items.at(-1);
  return { items, next: rows.length > limit && last !== undefined ? positionOf(last) : null };
}
