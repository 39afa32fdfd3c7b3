import { randomUUID } from 'node:crypto';
import { expect, it } from 'vitest';
import { createPostgresSecondFactors } from '#adapters/postgres/second-factors.ts';
import { createTestDatabase, describeWithPostgres } from '#test/support/database.ts';
import { TENANT } from '#test/support/platform.ts';
import { bothTenants } from '#test/support/two-tenants.ts';

const NOW = 1_700_000_000_000;
const STEP = 1_000;

describeWithPostgres('second factors as they are kept', () => {
  it('one that was begun and never confirmed proves nothing; confirmed, each step once', async () => {
    const database = await createTestDatabase();
    await bothTenants(database.admin);
    const user = randomUUID();
    await database.admin.query(
      `insert into users (tenant_id, id, email, address, status, roles, revision, created_at, updated_at)
       values ($1, $2, 'ada@example.com', 'ada@example.com', 'active', '{}', 1, now(), now())`,
      [TENANT, user],
    );
    const factors = createPostgresSecondFactors(database.pool('cloudflow_app'));
    await factors.begin({ tenant: TENANT, user, secret: Buffer.from('sealed') }, NOW);
    expect(await factors.useStep(TENANT, user, STEP)).toBe(false);
    expect(await factors.confirm(TENANT, user, STEP, [], NOW)).toBe(true);
    expect(await factors.useStep(TENANT, user, STEP)).toBe(false);
    expect(await factors.useStep(TENANT, user, STEP + 1)).toBe(true);
    expect(await factors.useStep(TENANT, user, STEP + 1)).toBe(false);
  });
});
