import type { Pool, PoolClient } from 'pg';
import type { ConnectionSpec, KeptSecrets, OperationSpec } from '#core/connections.ts';
import type {
  ConnectionKey,
  ConnectionRecord,
  ConnectionStore,
  OperationRecord,
} from '#ports/connection-store.ts';
import type { Connections } from '#ports/connections.ts';
import { FOREIGN_KEY_VIOLATION, sqlState, UNIQUE_VIOLATION } from './errors.ts';
import { announceSecrets, leaveSecrets, takeSecrets } from './kept-secrets.ts';
import { readTenant, withTenant } from './pool.ts';
import { seconds } from './rows.ts';
import { pageOf } from './workflow-store.ts';

/** The specifications were checked against core's schemas before they were written. */
interface Row<Spec> {
  readonly name: string;
  readonly revision: number;
  readonly spec: Spec;
  readonly created_at: number;
  readonly updated_at: number;
}

const COLUMNS = 'name, revision, spec, created_at, updated_at';

interface ConnectionRow extends Row<ConnectionSpec> {
  readonly id: string;
  readonly secrets: KeptSecrets;
}

const CONNECTION_COLUMNS = `${COLUMNS}, id, secrets`;

/** `pool`: role `cloudflow_app`. */
export function createPostgresConnections(pool: Pool): ConnectionStore & Connections {
  return {
    find,
    findOperation,

    announceSecrets: (of, keptAs, now) =>
      withTenant(pool, of.tenant, (client) => announceSecrets(client, of, keptAs, now)),

    create: (key, { id, spec, secrets }, now) =>
      withTenant(pool, key.tenant, async (client) => {
        const { rows } = await client.query<ConnectionRow>(
          `insert into connections
             (tenant_id, mode, name, revision, spec, created_at, updated_at, id, secrets)
           values ($1, $2, $3, 1, $4, to_timestamp($5), to_timestamp($5), $6, $7)
           on conflict do nothing returning ${CONNECTION_COLUMNS}`,
          [
            ...[key.tenant, key.mode, key.name, JSON.stringify(spec), seconds(now)],
            ...[id, JSON.stringify(secrets)],
          ],
        );
        if (rows[0] === undefined) return { kind: 'taken' };
        await takeSecrets(client, key, Object.values(secrets), ownerOf(key));
        return { kind: 'created', record: toConnection(rows[0]) };
      }),

    list: (tenant, mode, page) =>
      readTenant(pool, tenant, async (client) => {
        const { rows } = await client.query<ConnectionRow>(
          `select ${CONNECTION_COLUMNS} from connections
           where tenant_id = $1 and mode = $2 and ($3::text is null or name > $3)
           order by name limit $4`,
          [tenant, mode, page.after, page.limit + 1],
        );
        return pageOf(rows.map(toConnection), page.limit, (item) => item.name);
      }),

    replace: (key, { id, spec, secrets }, revision, now) =>
      withTenant(pool, key.tenant, async (client) => {
        const current = await lockConnection(client, key);
        if (current === null) return { kind: 'not_found' };
        if (current.id !== id || current.revision !== revision) return { kind: 'changed' };
        const { rows } = await client.query<ConnectionRow>(
          `update connections
           set spec = $4, secrets = $5, revision = revision + 1, updated_at = to_timestamp($6)
           where tenant_id = $1 and mode = $2 and name = $3
           returning ${CONNECTION_COLUMNS}`,
          [
            ...[key.tenant, key.mode, key.name],
            ...[JSON.stringify(spec), JSON.stringify(secrets), seconds(now)],
          ],
        );
        const before = new Set(Object.values(current.secrets));
        const after = new Set(Object.values(secrets));
        await takeSecrets(client, key, [...after.difference(before)], ownerOf(key));
        await leaveSecrets(client, key, [...before.difference(after)], now);
        return { kind: 'replaced', record: toConnection(rows[0] as ConnectionRow) };
      }),

    async remove(key, id, revision, now) {
      try {
        return await withTenant(pool, key.tenant, async (client) => {
          const current = await lockConnection(client, key);
          if (current === null) return 'not_found';
          if (current.id !== id || current.revision !== revision) return 'changed';
          await client.query(
            'delete from connections where tenant_id = $1 and mode = $2 and name = $3',
            [key.tenant, key.mode, key.name],
          );
          await leaveSecrets(client, key, Object.values(current.secrets), now);
          return 'removed';
        });
      } catch (error) {
        if (sqlState(error) === FOREIGN_KEY_VIOLATION) return 'used';
        throw error;
      }
    },

    async createOperation(key, spec, now) {
      try {
        return await withTenant(pool, key.tenant, async (client) => {
          const { rows } = await client.query<Row<OperationSpec>>(
            `insert into operations
               (tenant_id, mode, name, connection, revision, spec, created_at, updated_at)
             values ($1, $2, $3, $4, 1, $5, to_timestamp($6), to_timestamp($6))
             returning ${COLUMNS}`,
            [key.tenant, key.mode, key.name, spec.connection, JSON.stringify(spec), seconds(now)],
          );
          return { kind: 'created' as const, record: toRecord(rows[0] as Row<OperationSpec>) };
        });
      } catch (error) {
        if (sqlState(error) === UNIQUE_VIOLATION) return { kind: 'taken' };
        if (sqlState(error) === FOREIGN_KEY_VIOLATION) return { kind: 'no_connection' };
        throw error;
      }
    },

    listOperations: (tenant, mode, connection, page) =>
      readTenant(pool, tenant, async (client) => {
        const { rows } = await client.query<Row<OperationSpec>>(
          `select ${COLUMNS} from operations
           where tenant_id = $1 and mode = $2 and connection = $3
             and ($4::text is null or name > $4)
           order by name limit $5`,
          [tenant, mode, connection, page.after, page.limit + 1],
        );
        return pageOf(rows.map(toRecord), page.limit, (item) => item.name);
      }),

    replaceOperation: (key, spec, revision, now) =>
      withTenant(pool, key.tenant, async (client) => {
        const { rows } = await client.query<Row<OperationSpec>>(
          `update operations
           set spec = $4, revision = revision + 1, updated_at = to_timestamp($5)
           where tenant_id = $1 and mode = $2 and name = $3 and connection = $6
             and ($7::integer is null or revision = $7)
           returning ${COLUMNS}`,
          [
            key.tenant,
            key.mode,
            key.name,
            JSON.stringify(spec),
            seconds(now),
            spec.connection,
            revision,
          ],
        );
        if (rows[0] !== undefined) return { kind: 'replaced', record: toRecord(rows[0]) };
        const there = await client.query(
          `select 1 from operations
           where tenant_id = $1 and mode = $2 and name = $3 and connection = $4`,
          [key.tenant, key.mode, key.name, spec.connection],
        );
        return { kind: there.rowCount === 0 ? 'not_found' : 'changed' };
      }),

    removeOperation: (key, connection, revision) =>
      withTenant(pool, key.tenant, async (client) => {
        const { rows } = await client.query<{ revision: number }>(
          `select revision from operations
           where tenant_id = $1 and mode = $2 and name = $3 and connection = $4 for update`,
          [key.tenant, key.mode, key.name, connection],
        );
        if (rows[0] === undefined) return 'not_found';
        if (revision !== null && rows[0].revision !== revision) return 'changed';
        await client.query(
          'delete from operations where tenant_id = $1 and mode = $2 and name = $3',
          [key.tenant, key.mode, key.name],
        );
        return 'removed';
      }),
  };

  function find(tenant: string, mode: string, name: string): Promise<ConnectionRecord | null> {
    return readTenant(pool, tenant, async (client) => {
      const { rows } = await client.query<ConnectionRow>(
        `select ${CONNECTION_COLUMNS} from connections
         where tenant_id = $1 and mode = $2 and name = $3`,
        [tenant, mode, name],
      );
      return rows[0] === undefined ? null : toConnection(rows[0]);
    });
  }

  function findOperation(
    tenant: string,
    mode: string,
    name: string,
  ): Promise<OperationRecord | null> {
    return readTenant(pool, tenant, async (client) => {
      const { rows } = await client.query<Row<OperationSpec>>(
        `select ${COLUMNS} from operations where tenant_id = $1 and mode = $2 and name = $3`,
        [tenant, mode, name],
      );
      return rows[0] === undefined ? null : toRecord(rows[0]);
    });
  }
}

const ownerOf = ({ name }: ConnectionKey): string => `connection:${name}`;

/** Until the end of the transaction. */
async function lockConnection(
  client: PoolClient,
  { tenant, mode, name }: ConnectionKey,
): Promise<Pick<ConnectionRow, 'id' | 'revision' | 'secrets'> | null> {
  const { rows } = await client.query<ConnectionRow>(
    `select id, revision, secrets from connections
     where tenant_id = $1 and mode = $2 and name = $3 for update`,
    [tenant, mode, name],
  );
  return rows[0] ?? null;
}

function toConnection(row: ConnectionRow): ConnectionRecord {
  return { ...toRecord(row), id: row.id, secrets: row.secrets };
}

function toRecord<Spec>(row: Row<Spec>) {
  return {
    name: row.name,
    revision: row.revision,
    spec: row.spec,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  };
}
