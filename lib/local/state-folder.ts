import { randomBytes, randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { LOCK_FILE, lockFolder } from './folder-lock.ts';

/**
 * The folder of a local stack: what must be found again after a restart. Files hold keys, so they are
 * for their owner alone (mode 0600).
 */
export interface StateFolder {
  readonly path: string;
  readonly identity: StackIdentity;
  /** Remembers the API key that the first start made. */
  keepApiKey(apiKey: string): Promise<void>;
  /** Business time of a virtual clock, so that a restart goes on and never back. */
  readVirtualTime(): Promise<number | null>;
  keepVirtualTime(now: number): Promise<void>;
  /** What programs that drive the stack read. */
  writeStack(stack: Stack): Promise<void>;
  /** Lets another process have the folder. */
  close(): Promise<void>;
}

export interface StackIdentity {
  readonly tenant: string;
  /** Null until the first start has made one. */
  readonly apiKey: string | null;
  readonly cursorKey: Uint8Array;
  /** What identity derives its keys from. */
  readonly identityKey: Uint8Array;
  /** Of the first user. */
  readonly adminPassword: string;
  /** Of the database that the demonstration writes into. */
  readonly demoPassword: string;
}

/** `.cloudflow/stack.json`. */
export interface Stack {
  readonly base_url: string;
  readonly openapi_url: string;
  /** Signs in to the tenant, in either mode. */
  readonly admin: { readonly tenant: string; readonly email: string; readonly password: string };
  readonly api_key: string;
  readonly postgres_url: string;
  readonly redis_url: string | null;
  readonly kafka_brokers: string | null;
  readonly processes: readonly {
    readonly role: 'platform' | 'engine';
    readonly pid: number;
    /** How whoever stopped it starts it again; null: it is started again by itself. */
    readonly restart: string | null;
    /** Where an engine answers /healthz and /readyz. */
    readonly url?: string;
  }[];
}

interface StoredIdentity {
  readonly tenant: string;
  readonly api_key: string | null;
  readonly cursor_key: string;
  readonly identity_key: string;
  readonly admin_password: string;
  readonly demo_password: string;
}

/** The folder cannot be made or entered: the message says which, and what to do. */
export class FolderUnusable extends Error {
  constructor(path: string, cause: Error) {
    super(
      `${path} cannot hold the stack's state (${cause.message.split(',', 1)[0]}); choose another data directory`,
      { cause },
    );
    this.name = 'FolderUnusable';
  }
}

/** A file of the folder is not what was written: the message says which, and what to do. */
export class StateDamaged extends Error {
  constructor(file: string, cause: Error) {
    super(
      `${file} is damaged (${cause.message}); put it back from a copy, or begin anew with --fresh`,
      { cause },
    );
    this.name = 'StateDamaged';
  }
}

/** Throws `FolderInUse` while another process has the folder open, also when `fresh`; else `StateDamaged`. */
export async function openStateFolder(
  path: string,
  options: { readonly fresh: boolean },
): Promise<StateFolder> {
  await makeFolder(path);
  const lock = await lockFolder(path);
  try {
    if (options.fresh) await empty(path);
    return await openLocked(path, () => lock.release());
  } catch (error) {
    await lock.release();
    throw error;
  }
}

/**
 * Makes a folder and those above it. Not `mkdir` with `recursive`, which never returns where a folder
 * can be made nowhere (below /proc, seen with Node 24).
 */
async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { mode: 0o755 });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST' && (await stat(path)).isDirectory()) return;
    const above = dirname(path);
    if (code !== 'ENOENT' || above === path || existsSync(above)) {
      throw new FolderUnusable(path, error as Error);
    }
    await makeFolder(above);
    await mkdir(path, { mode: 0o755 });
  }
}

async function empty(path: string): Promise<void> {
  for (const name of await readdir(path)) {
    if (name !== LOCK_FILE) await rm(join(path, name), { recursive: true, force: true });
  }
}

async function openLocked(path: string, close: () => Promise<void>): Promise<StateFolder> {
  const identityFile = join(path, 'identity.json');
  const found = await readJson<Partial<StoredIdentity>>(identityFile);
  // A folder of an earlier version keeps what it has and gets the rest.
  const stored: StoredIdentity = {
    tenant: randomUUID(),
    api_key: null,
    cursor_key: randomBytes(32).toString('hex'),
    identity_key: randomBytes(32).toString('hex'),
    admin_password: randomBytes(12).toString('base64url'),
    demo_password: randomBytes(18).toString('base64url'),
    ...found,
  };
  await writeJson(identityFile, stored);
  return {
    path,
    identity: {
      tenant: stored.tenant,
      apiKey: stored.api_key,
      cursorKey: Buffer.from(stored.cursor_key, 'hex'),
      identityKey: Buffer.from(stored.identity_key, 'hex'),
      adminPassword: stored.admin_password,
      demoPassword: stored.demo_password,
    },
    keepApiKey: (apiKey) => writeJson(identityFile, { ...stored, api_key: apiKey }),
    async readVirtualTime() {
      return (await readJson<{ now: number }>(join(path, 'clock.json')))?.now ?? null;
    },
    // Once a timer: not worth a flush of the disk, as only a power cut could lose it.
    keepVirtualTime: (now) => writeJson(join(path, 'clock.json'), { now }, { flush: false }),
    writeStack: (stack) => writeJson(join(path, 'stack.json'), stack),
    close,
  };
}

async function readJson<T>(file: string): Promise<T | null> {
  try {
    // Written by this module alone.
    return JSON.parse(await readFile(file, 'utf8')) as T;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    if (error instanceof SyntaxError) throw new StateDamaged(file, error);
    throw error;
  }
}

/** A crash leaves the old file or the new one, never half of it. */
async function writeJson(
  file: string,
  value: unknown,
  options: { readonly flush: boolean } = { flush: true },
): Promise<void> {
  const next = `${file}.next`;
  const handle = await open(next, 'w', 0o600);
  try {
    await handle.writeFile(`${JSON.stringify(value, null, 2)}\n`);
    if (options.flush) await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(next, file);
}
