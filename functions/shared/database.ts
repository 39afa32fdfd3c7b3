import type { Pool } from 'pg';
import type { GuardDeps } from '#adapters/aws/guarded.ts';
import { createPool } from '#adapters/postgres/pool.ts';
import type { Role } from '#adapters/postgres/roles.ts';
import { createIamPassword } from '#adapters/rds/iam-password.ts';
import { platformSecret } from './platform-secret.ts';
import type { Basics } from './process.ts';

/** Pools by role, each a log-in of its own: by tokens of IAM, or as the URL says. */
export function openPools(
  { name, log, metrics }: Basics,
  env: { readonly DATABASE_URL: string; readonly DATABASE_AUTH: string },
): (role: Role, max: number, connectMs?: number) => Pool {
  const url = env.DATABASE_URL;
  const password = isIam(env.DATABASE_AUTH) ? createIamPassword(url) : undefined;
  return (role, max, connectMs) =>
    createPool({
      url,
      role,
      max,
      name,
      log,
      metrics,
      ...(password === undefined ? {} : { password }),
      ...(connectMs === undefined ? {} : { connectMs }),
    });
}

export function isIam(auth: string): boolean {
  if (auth !== 'iam' && auth !== 'url') {
    throw new TypeError(`DATABASE_AUTH is ${JSON.stringify(auth)}; use iam or url`);
  }
  return auth === 'iam';
}

/** The URL with the login of the schema's owner, whose password is rotated and is read at each use. */
export async function ownerUrl(
  basics: GuardDeps,
  env: { readonly DATABASE_URL: string; readonly DATABASE_OWNER_SECRET: string },
): Promise<string> {
  const login = JSON.parse(await platformSecret(basics, env.DATABASE_OWNER_SECRET)) as {
    readonly username: string;
    readonly password: string;
  };
  const url = new URL(env.DATABASE_URL);
  url.username = encodeURIComponent(login.username);
  url.password = encodeURIComponent(login.password);
  return url.href;
}
