/**
 * What is kept of executions that have not ended when they should have: everything in the store that names
 * them, what the ledger, the target and the platform's own log say of them, and who could go on with them.
 * Read before anything is stopped; a stuck execution that nobody can explain is worse than one that is.
 */
import { createReadStream } from 'node:fs';
import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { World } from './world/world.ts';

/** Executions that are told of at length, and lines of a log of each. */
const MOST_TOLD = 20;
const MOST_LINES = 400;

interface Stuck {
  readonly id: string;
  readonly workflow: string;
  readonly runtime: string;
  readonly status: string;
  readonly phase: string | null;
  readonly owner: string | null;
  readonly wakeAt: string | null;
  readonly epoch: number;
}

/** Writes into `folder` and answers in a line each what it is that has not ended. */
export async function autopsy(world: World, folder: string): Promise<readonly string[]> {
  const { admin } = world;
  const { rows: stuck } = await admin.query<Stuck>(
    `select id, workflow_id as workflow, runtime, status, phase, owner, wake_at as "wakeAt", epoch
     from workflow_executions where outcome is null order by id limit ${MOST_TOLD}`,
  );
  if (stuck.length === 0) return [];
  await mkdir(folder, { recursive: true });
  const ids = stuck.map(({ id }) => id);
  const [ledger, calls, log] = await Promise.all(
    [world.files.ledger, world.files.calls, world.platform.logFile].map((file) =>
      linesNaming(file, ids),
    ),
  );
  const tables = await tablesByExecution(world);
  for (const one of stuck) {
    const found: { [name: string]: unknown } = {
      ledger: await withItsKey(world, ledger?.get(one.id) ?? []),
      calls: calls?.get(one.id),
      log: log?.get(one.id),
      now: await answerOf(world, one.id),
    };
    for (const { table, column } of tables) {
      const { rows } = await admin.query(
        `select to_jsonb(t) as row from ${table} t where ${column} = $1 limit 500`,
        [one.id],
      );
      if (rows.length > 0) found[`${table}.${column}`] = rows.map(({ row }) => row);
    }
    await writeFile(join(folder, `${one.id}.json`), JSON.stringify(found, null, 1));
  }
  await writeFile(join(folder, 'around.json'), JSON.stringify(await around(world), null, 1));
  return stuck.map(
    ({ id, workflow, runtime, status, phase, owner, wakeAt, epoch }) =>
      `${workflow} ${id} on ${runtime}: ${status} ${phase ?? ''}, owner ${owner}, wakes ${wakeAt}, epoch ${epoch}`,
  );
}

/** What the platform wrote, of a run in which something is wrong. */
export async function keepLog({ platform }: World, folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  await copyFile(platform.logFile, join(folder, 'platform.log'));
}

/** Every table that names executions in a column of its own. */
async function tablesByExecution({ admin }: World) {
  const { rows } = await admin.query<{ table: string; column: string }>(
    `select c.oid::regclass::text as "table", quote_ident(a.attname) as "column"
     from pg_class c
     join pg_attribute a on a.attrelid = c.oid and not a.attisdropped and a.atttypid = 'uuid'::regtype
     where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
       and (a.attname in ('execution_id', 'parent_id')
            or (c.relname = 'workflow_executions' and a.attname = 'id'))`,
  );
  // Of the outbox the key is the execution.
  return [...rows, { table: 'outbox', column: 'key' }];
}

/** Lines of the ledger name a start by its key before its execution is known. */
async function withItsKey(world: World, lines: readonly string[]): Promise<readonly string[]> {
  const keys = lines.flatMap((line) => {
    const { key } = JSON.parse(line) as { key?: string };
    return key === undefined ? [] : [`"key":"${key}"`];
  });
  if (keys.length === 0) return lines;
  const more = await linesNaming(world.files.ledger, keys);
  return [...new Set([...lines, ...[...more.values()].flat()])];
}

/** Lines that name one of `names`, by name. */
async function linesNaming(
  file: string,
  names: readonly string[],
): Promise<ReadonlyMap<string, readonly string[]>> {
  const found = new Map<string, string[]>();
  for await (const line of createInterface({ input: createReadStream(file) })) {
    for (const name of names) {
      if (!line.includes(name)) continue;
      const own = found.get(name) ?? [];
      found.set(name, own);
      if (own.length < MOST_LINES) own.push(line);
    }
  }
  return found;
}

async function answerOf(world: World, id: string): Promise<unknown> {
  for (const { api } of world.tenants) {
    const answer = await api.call('GET', `/api/v1/executions/${id}`);
    if (answer?.status === 200) return answer.body;
  }
  return null;
}

/** Who could go on with them: processes and their leases, sessions and locks, groups and where they stand. */
async function around({ admin, platform, redis, kafka }: World): Promise<unknown> {
  const rows = async (text: string) => (await admin.query(text)).rows;
  return {
    at: new Date().toISOString(),
    platform: { pid: platform.pid, alive: platform.alive },
    ...{ redis: redis?.pid ?? null, kafka: kafka?.brokers.map(({ address }) => address) ?? null },
    engines: await Promise.all(
      platform.engines().map(async ({ pid, url }) => ({
        pid,
        health: await fetch(`${url}/healthz`, { signal: AbortSignal.timeout(5_000) })
          .then((response) => response.json())
          .catch(String),
      })),
    ),
    processes: await rows('select *, clock_timestamp() as now from engine_processes'),
    sessions: await rows(
      `select pid, usename, application_name, state, wait_event, query_start, xact_start, left(query, 200) as query
       from pg_stat_activity where datname = current_database()`,
    ),
    locks: await rows(
      'select pid, locktype, relation::regclass::text, mode, granted from pg_locks where not granted',
    ),
    offsets: await rows('select * from outbox_offsets'),
    leases: await rows('select * from outbox_leases'),
    letters: await rows('select * from dead_letters limit 50'),
  };
}
