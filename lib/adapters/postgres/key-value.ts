import { randomUUID } from 'node:crypto';
import type { Pool } from 'pg';
import { checkRecordContent, checkRecordKey, checkRecordRange } from '#core/record.ts';
import type { Clock } from '#ports/clock.ts';
import type { KeyValue, StoredRecord } from '#ports/key-value.ts';
import type { PayloadCodec } from '#ports/payload-codec.ts';
import { paged } from './paging.ts';
import { seconds, secondsOrNull } from './rows.ts';

interface Row {
  readonly version: string;
  readonly content: string;
  readonly expires_at: number | null;
}

const VERSION = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/;

/**
 * Small records in PostgreSQL, each call one request (`0050-records.sql`). `pool`: role
 * `cloudflow_app`. Rows that have expired stay until `purgeExpired`, unseen.
 */
export function createPostgresKeyValue(deps: {
  readonly pool: Pool;
  readonly clock: Clock;
  readonly codec: PayloadCodec;
}): KeyValue {
  const { pool, clock, codec } = deps;
  const now = () => seconds(clock.now());
  const read = (tenant: string, row: Row): StoredRecord => ({
    version: row.version,
    value: codec.decode(row.content, tenant),
    expiresAt: row.expires_at,
  });

  return {
    async get(key) {
      checkRecordKey(key);
      const { rows } = await pool.query<Row>(
        'select * from get_record($1, $2, $3, to_timestamp($4))',
        [key.tenant, key.kind, key.id, now()],
      );
      return rows[0] === undefined ? null : read(key.tenant, rows[0]);
    },

    async put(key, over, { value, expiresAt }) {
      checkRecordKey(key);
      const content = codec.encode(value, key.tenant);
      checkRecordContent(key.kind, content, expiresAt);
      // What was never given out as a version is one that nothing has.
      if (over !== null && !VERSION.test(over))
        return { kind: 'conflict', found: await this.get(key) };
      const version = randomUUID();
      const { rows } = await pool.query<Row>(
        `select * from put_record($1, $2, $3, $4, $5, $6, to_timestamp($7), to_timestamp($8))`,
        [key.tenant, key.kind, key.id, over, version, content, secondsOrNull(expiresAt), now()],
      );
      const there = rows[0];
      if (there?.version === version) return { kind: 'written', version };
      return { kind: 'conflict', found: there === undefined ? null : read(key.tenant, there) };
    },

    async delete(key, version) {
      checkRecordKey(key);
      if (version !== undefined && !VERSION.test(version)) return false;
      const { rows } = await pool.query<{ deleted: boolean }>(
        'select delete_record($1, $2, $3, $4, to_timestamp($5)) as deleted',
        [key.tenant, key.kind, key.id, version ?? null, now()],
      );
      return rows[0]?.deleted === true;
    },

    async list(range, page) {
      checkRecordRange(range, page);
      const { tenant, kind, prefix } = range;
      const { rows } = await pool.query<Row & { readonly id: string }>(
        'select * from list_records($1, $2, $3, $4, $5, to_timestamp($6))',
        [tenant, kind, prefix, page.after ?? '', page.limit + 1, now()],
      );
      const items = rows.map((row) => ({ id: row.id, ...read(tenant, row) }));
      return paged(items, page.limit, ({ id }) => id);
    },
  };
}
