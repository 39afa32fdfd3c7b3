import type { Pool } from 'pg';
import { beforeEach, expect, it } from 'vitest';
import { purgeExpired } from '#adapters/postgres/purge.ts';
import { createTestDatabase, describeWithPostgres } from '#test/support/database.ts';
import { OTHER_TENANT, TENANT } from '#test/support/platform.ts';

const NOW = Date.parse('2027-03-01T00:00:00Z');
const DAY = 86_400_000;
const USER = '33333333-3333-4333-8333-333333333333';
const PROVIDER = '44444444-4444-4444-8444-444444444444';

describeWithPostgres('what has expired', () => {
  let admin: Pool;
  let relay: Pool;

  /** Of each kind, of two tenants: ten that have expired and three that have not. */
  beforeEach(async () => {
    const database = await createTestDatabase();
    admin = database.admin;
    relay = database.pool('cloudflow_relay');
    await admin.query(
      `insert into tenants (id, name, created_at)
       select tenant, 'a tenant', now() from unnest($1::uuid[]) as tenant on conflict do nothing`,
      [[TENANT, OTHER_TENANT]],
    );
    await admin.query(
      `insert into users (tenant_id, id, email, address, status, roles, revision, created_at, updated_at)
       select tenant, $1, 'ada@example.com', 'ada@example.com', 'active', '{}', 1, now(), now()
       from unnest($2::uuid[]) as tenant`,
      [USER, [TENANT, OTHER_TENANT]],
    );
    await admin.query(
      `insert into identity_providers (tenant_id, id, name, kind, enabled, settings, email_domains,
                                       trusts_mfa, revision, created_at, updated_at)
       select tenant, $1, 'okta', 'oidc', true, '{}', '{}', false, 1, now(), now()
       from unnest($2::uuid[]) as tenant`,
      [PROVIDER, [TENANT, OTHER_TENANT]],
    );
    for (let n = 0; n < 13; n++) {
      const tenant = n % 2 === 0 ? TENANT : OTHER_TENANT;
      const expires = new Date(n < 10 ? NOW - n * DAY : NOW + (n - 9) * 1_000);
      await admin.query(
        `insert into idempotency_records (tenant_id, key, fingerprint, created_at, expires_at)
         values ($1, $2, 'f', '2027-01-01', $3)`,
        [tenant, `key-${n}`, expires],
      );
      await admin.query(
        `insert into callbacks (token_hash, tenant_id, execution_id, step, mode, expires_at)
         values ($1, $2, gen_random_uuid(), 'pay', 'live', $3)`,
        [`hash-${n}`, tenant, expires],
      );
      await admin.query(
        `insert into records (tenant_id, kind, id, version, content, expires_at)
         values ($1, 'lock', $2, gen_random_uuid(), '0:null', $3)`,
        [tenant, `record-${n}`, expires],
      );
      const digest = Buffer.alloc(32, n);
      await admin.query(
        `insert into sessions (tenant_id, id, user_id, mode, methods, signed_in_at, last_used_at, expires_at)
         values ($1, gen_random_uuid(), $2, 'live', '{pwd}', '2027-01-01', '2027-01-01', $3)`,
        [tenant, USER, new Date(expires.getTime() - 8 * DAY)],
      );
      await admin.query(
        `insert into one_time_tokens (digest, tenant_id, user_id, purpose, created_at, expires_at)
         values ($1, $2, $3, 'invitation', '2027-01-01', $4)`,
        [digest, tenant, USER, expires],
      );
      await admin.query(
        `insert into sign_ins (digest, tenant_id, provider_id, stage, sealed, created_at, expires_at)
         values ($1, $2, $3, 'begun', '', '2027-01-01', $4)`,
        [digest, tenant, PROVIDER, expires],
      );
      await admin.query(
        `insert into bulk_operations (tenant_id, id, mode, action, request, created_by, created_at,
                                      status, most, ended_at)
         values ($1, gen_random_uuid(), 'live', 'cancel', '', 'key:x', '2027-01-01', 'COMPLETED', 1, $2)`,
        [tenant, new Date(expires.getTime() - 30 * DAY)],
      );
      await admin.query("insert into processed_events values ('billing', gen_random_uuid(), $1)", [
        expires,
      ]);
      await admin.query('insert into mail_tries values (gen_random_uuid(), 1, $1, null, $1)', [
        expires,
      ]);
      await admin.query(
        `insert into execution_commands (tenant_id, command_id, execution_id, answer, until)
         values ($1, gen_random_uuid(), gen_random_uuid(), 'stored', $2)`,
        [tenant, expires],
      );
      await admin.query(
        `insert into dead_letters (id, tenant_id, mode, consumer_group, topic, key, event_id,
           error_name, fingerprint, attempts, critical, status, first_at, last_at, due_at, closed_at)
         select gen_random_uuid(), $1, 'live', 'billing', 't', 'k', gen_random_uuid(), 'e', 'f', 4,
                true, status, $2, $2, $2, $2
         from unnest(array['discarded', 'open']) as s (status)
         where status = 'discarded' or $3`,
        // One that is open is never too old.
        [tenant, new Date(expires.getTime() - 90 * DAY), n === 0],
      );
      await admin.query('insert into login_guesses values ($1, 1, $2)', [digest, expires]);
      await admin.query('insert into published_messages values ($1, gen_random_uuid(), $2)', [
        tenant,
        new Date(expires.getTime() - 8 * DAY),
      ]);
    }
  });

  const left = async () => {
    const { rows } = await admin.query(
      `select (select count(*)::integer from idempotency_records) as idempotency_records,
              (select count(*)::integer from callbacks) as callbacks,
              (select count(*)::integer from records) as records,
              (select count(*)::integer from sessions) as sessions,
              (select count(*)::integer from one_time_tokens) as one_time_tokens,
              (select count(*)::integer from sign_ins) as sign_ins,
              (select count(*)::integer from login_guesses) as login_guesses,
              (select count(*)::integer from processed_events) as processed_events,
              (select count(*)::integer from execution_commands) as execution_commands,
              (select count(*)::integer from mail_tries) as mail_tries,
              (select count(*)::integer from dead_letters where status <> 'open') as dead_letters,
              (select count(*)::integer from published_messages) as published_messages,
              (select count(*)::integer from bulk_operations) as bulk_operations`,
    );
    return rows[0];
  };
  const each = (count: number) => ({
    idempotency_records: count,
    callbacks: count,
    records: count,
    sessions: count,
    one_time_tokens: count,
    sign_ins: count,
    login_guesses: count,
    processed_events: count,
    execution_commands: count,
    mail_tries: count,
    dead_letters: count,
    published_messages: count,
    bulk_operations: count,
  });

  it('is deleted, and nothing else', async () => {
    expect(await purgeExpired(relay, NOW)).toEqual(each(10));
    expect(await left()).toEqual(each(3));
    expect(await purgeExpired(relay, NOW)).toEqual(each(0));
    const { rows } = await admin.query('select key from idempotency_records order by key');
    expect(rows.map(({ key }) => key)).toEqual(['key-10', 'key-11', 'key-12']);
  });

  it('goes in batches, so many at a time', async () => {
    expect(await purgeExpired(relay, NOW, { batch: 4, batches: 2 })).toEqual(each(8));
    expect(await left()).toEqual(each(5));
    expect(await purgeExpired(relay, NOW, { batch: 4, batches: 2 })).toEqual(each(2));
  });

  it('stays where its key was taken anew while it was being deleted', async () => {
    const client = await admin.connect();
    await client.query('begin');
    await client.query(`update idempotency_records set expires_at = $1 where key = 'key-0'`, [
      new Date(NOW + DAY),
    ]);
    const purging = purgeExpired(relay, NOW);
    await expect
      .poll(async () => {
        const { rows } = await admin.query(
          `select from pg_stat_activity where datname = current_database()
           and cardinality(pg_blocking_pids(pid)) > 0`,
        );
        return rows.length;
      })
      .toBe(1);
    await client.query('commit');
    client.release();
    await purging;
    const { rows } = await admin.query(`select from idempotency_records where key = 'key-0'`);
    expect(rows).toHaveLength(1);
  });
});
