/**
 * One process at a time on a folder.
 *
 *  F1 A lock names its holder by process id and the time that process began, so the lock of one that
 *     was killed holds nobody up, also when its number was given to another since.
 *  F2 It appears whole or not at all: the file is written aside and linked into place.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { link, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

export const LOCK_FILE = 'platform.lock';

export interface FolderLock {
  /** Twice is harmless. */
  release(): Promise<void>;
}

/** Somebody else is there: the message names the folder and the process. */
export class FolderInUse extends Error {
  readonly pid: number;

  constructor(path: string, pid: number) {
    super(`${path} is in use by process ${pid}; stop it, or choose another data directory`);
    this.name = 'FolderInUse';
    this.pid = pid;
  }
}

/** How often a lock that nobody holds may turn up again while it is being removed. */
const ATTEMPTS = 5;

export async function lockFolder(path: string): Promise<FolderLock> {
  const file = join(path, LOCK_FILE);
  const own = `${file}.${process.pid}`;
  const text = describe(process.pid);
  await writeFile(own, text, { mode: 0o600 });
  try {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      if (await linked(own, file)) {
        return { release: () => release(file, text) };
      }
      const held = await readFile(file, 'utf8').catch(() => null);
      if (held === null) continue; // just released
      const pid = Number(held.split(' ', 1)[0]);
      if (describe(pid) === held) throw new FolderInUse(path, pid);
      // Moved before it is removed: of two who find it dead, one moves it.
      await rename(file, `${own}.stale`).catch(ignoreMissing);
      await rm(`${own}.stale`, { force: true });
    }
  } finally {
    await rm(own, { force: true });
  }
  throw new Error(`${file} could not be taken in ${ATTEMPTS} attempts`);
}

async function linked(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

async function release(file: string, text: string): Promise<void> {
  const held = await readFile(file, 'utf8').catch(() => null);
  if (held === text) await rm(file, { force: true });
}

function ignoreMissing(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOENT') throw error;
}

/** A process's number and when it began; a number that nobody has is followed by nothing. */
function describe(pid: number): string {
  return `${pid} ${startOf(pid) ?? ''}`;
}

function startOf(pid: number): string | null {
  if (!Number.isInteger(pid) || pid < 1) return null;
  if (process.platform === 'linux') {
    try {
      // Field 22, counted behind the name, which may hold anything but ends with the last bracket.
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      return fields[0] === 'Z' ? null : (fields[19] ?? null);
    } catch {
      return null;
    }
  }
  const seen = spawnSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8' });
  const text = `${seen.stdout ?? ''}`.trim();
  return text === '' ? null : text;
}
