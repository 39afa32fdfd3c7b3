import type { PoolClient } from 'pg';
import { CloudFlowError } from '#core/errors.ts';
import type { Mode } from '#ports/execution-store.ts';
import { seconds } from './rows.ts';

/** Which names of secrets are in use; see `collectSecrets` for those that are not. */
export interface SecretsOf {
  readonly tenant: string;
  readonly mode: Mode;
}

/** To be called before values are stored under these names. */
export async function announceSecrets(
  client: PoolClient,
  { tenant, mode }: SecretsOf,
  keptAs: readonly string[],
  now: number,
): Promise<void> {
  await client.query(
    `insert into connection_secrets (tenant_id, mode, kept_as, unused_since)
     select $1, $2, name, to_timestamp($4) from unnest($3::text[]) as name`,
    [tenant, mode, keptAs, seconds(now)],
  );
}

/** From now on `owner` (`connection:crm`) names them; undone with everything else when one of them is going. */
export async function takeSecrets(
  client: PoolClient,
  { tenant, mode }: SecretsOf,
  keptAs: readonly string[],
  owner: string,
): Promise<void> {
  if (keptAs.length === 0) return;
  const { rowCount } = await client.query(
    `update connection_secrets set unused_since = null, owner = $4
     where tenant_id = $1 and mode = $2 and kept_as = any ($3) and not going`,
    [tenant, mode, keptAs, owner],
  );
  if (rowCount === keptAs.length) return;
  throw new CloudFlowError('UNAVAILABLE', 'storing its secrets took too long; try again');
}

/** Nothing names them any more. */
export async function leaveSecrets(
  client: PoolClient,
  { tenant, mode }: SecretsOf,
  keptAs: readonly string[],
  now: number,
): Promise<void> {
  if (keptAs.length === 0) return;
  await client.query(
    `update connection_secrets set unused_since = to_timestamp($4)
     where tenant_id = $1 and mode = $2 and kept_as = any ($3)`,
    [tenant, mode, keptAs, seconds(now)],
  );
}
