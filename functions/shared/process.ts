import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import type { Pool } from 'pg';
import { createIds } from '#adapters/local/ids.ts';
import { createJsonLog } from '#adapters/local/json-log.ts';
import { createSystemClock } from '#adapters/local/system-clock.ts';
import { createPlainCodec } from '#adapters/postgres/payload-codec.ts';
import { createPool } from '#adapters/postgres/pool.ts';
import type { Role } from '#adapters/postgres/roles.ts';
import { createIamPassword } from '#adapters/rds/iam-password.ts';
import { readSecret } from '#adapters/secretsmanager/secrets.ts';
import type { ProgramName } from '#config/functions.ts';
import type { Clock } from '#ports/clock.ts';
import type { Ids } from '#ports/ids.ts';
import type { Log } from '#ports/log.ts';
import type { PayloadCodec } from '#ports/payload-codec.ts';

/** What every deployed program has. */
export interface Basics {
  readonly name: ProgramName;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly codec: PayloadCodec;
  readonly log: Log;
}

export function createBasics(name: ProgramName): Basics {
  const clock = createSystemClock();
  const log = createJsonLog({
    write: (line) => void process.stdout.write(line),
    level: 'info',
    time: () => new Date(clock.now()).toISOString(),
  }).with({ program: name });
  return { name, clock, ids: createIds(), codec: createPlainCodec(), log };
}

/** Pools by role, each a log-in of its own: by tokens of IAM, or as the URL says. */
export function openPools(
  { name, log }: Basics,
  env: { readonly DATABASE_URL: string; readonly DATABASE_AUTH: string },
): (role: Role, max: number) => Pool {
  const url = env.DATABASE_URL;
  const password = isIam(env.DATABASE_AUTH) ? createIamPassword(url) : undefined;
  return (role, max) =>
    createPool({ url, role, max, name, log, ...(password === undefined ? {} : { password }) });
}

export function isIam(auth: string): boolean {
  if (auth !== 'iam' && auth !== 'url') {
    throw new TypeError(`DATABASE_AUTH is ${JSON.stringify(auth)}; use iam or url`);
  }
  return auth === 'iam';
}

/** The URL with the login of the schema's owner, whose password is rotated and is read at each use. */
export async function ownerUrl(env: {
  readonly DATABASE_URL: string;
  readonly DATABASE_OWNER_SECRET: string;
}): Promise<string> {
  const login = JSON.parse(await platformSecret(env.DATABASE_OWNER_SECRET)) as {
    readonly username: string;
    readonly password: string;
  };
  const url = new URL(env.DATABASE_URL);
  url.username = encodeURIComponent(login.username);
  url.password = encodeURIComponent(login.password);
  return url.href;
}

/** A secret of the platform itself. Throws when it is not there: nothing works without it. */
export async function platformSecret(id: string): Promise<string> {
  const client = new SecretsManagerClient({});
  const text = await readSecret(client, id);
  client.destroy();
  if (text === null) throw new Error(`there is no secret ${id}`);
  return text;
}
