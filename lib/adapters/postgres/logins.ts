import pg from 'pg';
import { sessionSettings } from './pool.ts';
import type { Role } from './roles.ts';

/**
 * Lets each role log in as itself, with the settings that hold for every session of ours. Where the
 * server knows `rds_iam`, that is by tokens of IAM and by nothing else. `url` is the schema owner's.
 */
export async function giveLogins(url: string, roles: readonly Role[]): Promise<void> {
  const client = new pg.Client({ connectionString: url, application_name: 'cloudflow logins' });
  await client.connect();
  try {
    const { rowCount } = await client.query("select 1 from pg_roles where rolname = 'rds_iam'");
    for (const role of roles) {
      const name = pg.escapeIdentifier(role);
      await client.query(`alter role ${name} login`);
      for (const [setting, value] of Object.entries(sessionSettings(role))) {
        await client.query(
          `alter role ${name} set ${pg.escapeIdentifier(setting)} = ${pg.escapeLiteral(value)}`,
        );
      }
      if (rowCount !== 0) await client.query(`grant rds_iam to ${name}`);
    }
  } finally {
    await client.end();
  }
}
