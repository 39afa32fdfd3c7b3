/**
 * What the machine did while something was measured: CPU of process trees, CPU that was somebody
 * else's, what one durable write costs. Linux only (/proc); elsewhere these read as zero.
 */
import {
  closeSync,
  fdatasyncSync,
  openSync,
  readdirSync,
  readFileSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { availableParallelism, cpus, totalmem } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { percentile } from './percentile.ts';

const TICKS_PER_SECOND = 100;

function statFields(pid: number | string): number[] | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The command's name is in brackets and may hold spaces: fields are counted after it.
    return text
      .slice(text.lastIndexOf(')') + 2)
      .split(' ')
      .map(Number);
  } catch {
    return null; // ended between the listing and the look
  }
}

/** User and system seconds of a process and its children, those that ended and were reaped included. */
export function cpuSecondsOf(pid: number | null): number {
  const own = pid === null ? null : statFields(pid);
  if (own === null) return 0;
  const ticks = (fields: number[]): number =>
    [11, 12, 13, 14].reduce((sum, at) => sum + (fields[at] ?? 0), 0);
  let sum = ticks(own);
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    const fields = statFields(entry);
    if (fields?.[1] === pid) sum += ticks(fields);
  }
  return sum / TICKS_PER_SECOND;
}

/** Seconds that the machine's cores were not idle, since it started; what was stolen from us counts. */
export function busySeconds(): number {
  try {
    const [line = ''] = readFileSync('/proc/stat', 'utf8').split('\n', 1);
    const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = line
      .trim()
      .split(/\s+/)
      .slice(1)
      .map(Number);
    return (user + nice + system + irq + softirq + steal) / TICKS_PER_SECOND;
  } catch {
    return 0;
  }
}

/** Median milliseconds of writing one 8 kB page and waiting until the disk has it. */
export function durableWriteMs(directory: string, times = 50): number {
  const file = join(directory, 'durable-write.probe');
  const page = Buffer.alloc(8_192, 1);
  const taken: number[] = [];
  const handle = openSync(file, 'w');
  try {
    for (let i = 0; i < times; i++) {
      const from = performance.now();
      writeSync(handle, page, 0, page.length, i * page.length);
      fdatasyncSync(handle);
      taken.push(performance.now() - from);
    }
  } finally {
    closeSync(handle);
    unlinkSync(file);
  }
  return percentile(taken, 50);
}

/** Returns when others used less than a quarter of a core for a second, or after `seconds`. */
export async function untilQuiet(seconds: number): Promise<void> {
  const until = performance.now() + seconds * 1_000;
  while (performance.now() < until) {
    const busy = busySeconds();
    const from = performance.now();
    await pause(1_000);
    if ((busySeconds() - busy) / ((performance.now() - from) / 1_000) < 0.25) return;
  }
}

export function describeMachine(): string {
  const [first] = cpus();
  return `${availableParallelism()} cores of ${first?.model.trim() ?? 'unknown'}, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.versions.node}, ${process.platform}-${process.arch}`;
}
