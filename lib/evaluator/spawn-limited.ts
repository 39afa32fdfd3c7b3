import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { constants, setPriority } from 'node:os';

// An operating-system process under limits, and what the system tells of one.

/**
 * How much the system prefers a process to others: `normal` as this one, `low` a tenth of that where
 * both want to run, `idle` only what nobody else wants (a small share, so that it never stands still).
 */
export type Priority = 'normal' | 'low' | 'idle';

const NICE: { readonly [P in Priority]: number } = { normal: 0, low: 10, idle: 19 };
/** Processor time that a process may use in its life, so that it cannot outlive a killed parent. */
const CPU_SECONDS = 1_200;
const PAGE_BYTES = 4_096;

/**
 * Runs Node without environment, core dumps and unlimited time. Through a shell where there is one,
 * since only the process itself can set these limits and have its threads inherit the priority.
 */
export function spawnLimited(args: readonly string[], priority: Priority): ChildProcess {
  const windows = process.platform === 'win32';
  const [command, ...first] = windows
    ? [process.execPath]
    : ['/bin/sh', '-c', script(priority), process.execPath];
  const child = spawn(command ?? process.execPath, [...first, ...args], {
    env: {},
    stdio: ['pipe', 'pipe', 'pipe'],
    windowsHide: true,
  });
  if (windows && priority !== 'normal' && child.pid !== undefined) {
    setPriority(child.pid, constants.priority.PRIORITY_LOW);
  }
  return child;
}

function script(priority: Priority): string {
  const limits = `ulimit -c 0; ulimit -t ${CPU_SECONDS}`;
  if (priority === 'normal') return `${limits}; exec "$0" "$@"`;
  // what a system lacks is done without
  const policy = priority === 'idle' ? 'chrt --idle --pid 0 $$ > /dev/null 2>&1; ' : '';
  const nice = `command -v nice > /dev/null && exec nice -n ${NICE[priority]} "$0" "$@"`;
  return `${limits}; ${policy}${nice}; exec "$0" "$@"`;
}

/** Processor time of a process so far; null where the system does not tell. */
export function processorMs(pid: number | undefined): number | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // the name in parentheses may hold blanks; user and system time are fields 14 and 15, in 10 ms
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[11]) + Number(fields[12])) * 10;
  } catch {
    return null;
  }
}

/** Zero where the system does not tell; the heap limit of the process then stands alone. */
export function residentBytes(pid: number): number {
  try {
    return Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1] ?? 0) * PAGE_BYTES;
  } catch {
    return 0;
  }
}
