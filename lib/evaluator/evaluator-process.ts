import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { EvaluationFailure, EvaluationResult } from '#core/expr/outcome.ts';
import type { ProcessMessage, WorkMessage } from '#evaluator/protocol.ts';
import { createFrameReader, encodeFrame, MAX_REPLY_BYTES } from '#evaluator/protocol.ts';

// One evaluator process as its parent sees it.
//
// Owns:    the operating-system process, its clock and its memory.
// Pool owns: who gets it, and what becomes of the work of a process that ended.
//
// E1 A process works on at most one piece of work, and every answer belongs to that one.
// E2 It is killed when one expression takes longer than `wallMs`, when its resident memory passes
//    `rssBytes`, or when it says something unexpected. An expression that has not had its share of
//    the processor by then has `BUSY_MACHINE` times as long: a busy machine is not its doing.
// E3 It has no environment, no permission to write, spawn or load native code, and may use
//    `CPU_SECONDS` of processor time at most, so that it cannot outlive a parent that was killed.
// E4 It uses one core.

export interface ProcessOptions {
  /** The script; a bundle passes its own. */
  readonly entry: string;
  /** Folders that the script may read: itself and what it imports. */
  readonly readable: readonly string[];
  readonly heapMegabytes: number;
  readonly rssBytes: number;
  readonly wallMs: number;
}

export type Failure = EvaluationResult & { readonly ok: false };

/** What the pool learns of a process. Exactly one of `onReady` and `onEnd` comes first. */
export interface ProcessListener {
  onReady(): void;
  onResult(index: number, result: EvaluationResult, cpuMs: number): void;
  /**
   * The process is gone; nothing follows. `failure` is null when neither we nor its work ended it:
   * somebody killed it, and its work deserves another process.
   */
  onEnd(failure: Failure | null, diagnosis: string): void;
}

export interface EvaluatorProcess {
  readonly pid: number | undefined;
  /** Hands over work; `envelope` is a `WorkMessage` without its `work`, which is JSON already. */
  start(envelope: Omit<WorkMessage, 'work'>, work: string): void;
  /** The work is done: the clock stops. */
  finish(): void;
  /** Kills it unless it has ended; `onEnd` follows. */
  kill(reason: EvaluationFailure, message: string): void;
  /** Kills it when it holds more memory than it may. */
  checkMemory(): void;
}

/** Where the script lies when CloudFlow runs from its sources, and what it then reads. */
export function defaultEntry(): { entry: string; readable: readonly string[] } {
  return {
    entry: resolve(import.meta.dirname, 'child.ts'),
    readable: [resolve(import.meta.dirname, '..', '..')],
  };
}

/** What a bundled script reads: its own folder. */
export function bundledEntry(entry: string): { entry: string; readable: readonly string[] } {
  return { entry, readable: [dirname(entry)] };
}

const BUSY_MACHINE = 2;
/** Processor time that an expression may use, as a share of `wallMs`: 100 of 250 ms. */
const CPU_SHARE = 0.4;
/** How often the time of an expression is looked at; most are done before the first look. */
const LOOK_MS = 50;
const CPU_SECONDS = 1_200;
const DIAGNOSIS_CHARS = 2_000;
const PAGE_BYTES = 4_096;
const TOO_MUCH_MEMORY = 'the expression used more memory than it may';

export function startEvaluatorProcess(
  options: ProcessOptions,
  listener: ProcessListener,
): EvaluatorProcess {
  const child = spawnLimited([
    '--permission',
    ...options.readable.map((folder) => `--allow-fs-read=${folder}`),
    `--max-old-space-size=${options.heapMegabytes}`,
    '--max-semi-space-size=8',
    // one hostile expression keeps one core busy, not all of them with collecting its garbage
    '--single-threaded-gc',
    '--disable-warning=ExperimentalWarning',
    '--no-addons',
    options.entry,
    // the guard inside ends most of what runs long, and the process lives on
    String(Math.ceil(options.wallMs * CPU_SHARE)),
  ]);
  let diagnosis = '';
  let ending: Failure | null = null;
  let ended = false;
  let current: number | null = null;
  let clock: NodeJS.Timeout | null = null;
  /** When the expression began, and what the process had used by the first look at it. */
  let since = 0;
  let usedBefore: number | null = null;
  let progress = 0;

  const kill = (reason: EvaluationFailure, message: string): void => {
    if (ended) return;
    ending ??= { ok: false, reason, message };
    child.kill('SIGKILL');
  };
  const isOverTime = (): boolean => {
    const elapsed = performance.now() - since;
    const used = processorMs(child.pid);
    if (used === null) return elapsed >= options.wallMs;
    usedBefore ??= used;
    // The first look came one interval after the start; the system counts in steps of 10 ms.
    const own = used - usedBefore + LOOK_MS + 10;
    const limit = own >= options.wallMs * CPU_SHARE ? 1 : BUSY_MACHINE;
    return elapsed >= options.wallMs * limit;
  };
  const look = (): void => {
    if (!isOverTime()) {
      clock?.refresh();
      return;
    }
    // This process may have been busy itself: an answer that lies in the pipe counts.
    const seen = progress;
    setImmediate(() => {
      if (current !== null && progress === seen) {
        kill('wall_clock', `the expression ran longer than ${options.wallMs} ms`);
      }
    });
  };
  const startClock = (): void => {
    since = performance.now();
    usedBefore = null;
    if (clock === null) clock = setTimeout(look, LOOK_MS);
    else clock.refresh();
  };
  const stopClock = (): void => {
    if (clock !== null) clearTimeout(clock);
    clock = null;
    current = null;
  };

  const reader = createFrameReader(MAX_REPLY_BYTES, (json) => {
    const message = JSON.parse(json) as ProcessMessage;
    progress += 1;
    if ('ready' in message) listener.onReady();
    else if (message.id === current) {
      startClock();
      listener.onResult(message.index, message.result, message.cpuMs);
    } else kill('unavailable', 'the evaluator answered something that was not asked');
  });
  child.stdout?.on('data', (chunk: Buffer) => {
    try {
      reader.accept(chunk);
    } catch {
      kill('too_large', 'the evaluator answered more than it may');
    }
  });
  child.stderr?.on('data', (chunk: Buffer) => {
    diagnosis = (diagnosis + chunk.toString('utf8')).slice(-DIAGNOSIS_CHARS);
  });
  // A pipe breaks when its process ends, and the end is reported below.
  child.stdin?.on('error', () => undefined);
  const end = (failure: Failure | null): void => {
    if (ended) return;
    ended = true;
    stopClock();
    listener.onEnd(ending ?? failure, diagnosis);
  };
  child.on('error', (error) => {
    diagnosis = `${diagnosis}${error.message}`;
    end(null);
  });
  child.on('exit', (_code, signal) => {
    // Node aborts itself when its heap is full, by one of these signals.
    const aborted = signal === 'SIGABRT' || signal === 'SIGTRAP' || signal === 'SIGILL';
    end(aborted ? { ok: false, reason: 'memory', message: TOO_MUCH_MEMORY } : null);
  });

  return {
    pid: child.pid,
    start({ id, from, now }, work) {
      current = id;
      child.stdin?.write(encodeFrame(`{"id":${id},"from":${from},"now":${now},"work":${work}}`));
      startClock();
    },
    finish: stopClock,
    kill,
    checkMemory() {
      if (child.pid !== undefined && residentBytes(child.pid) > options.rssBytes) {
        kill('memory', TOO_MUCH_MEMORY);
      }
    },
  };
}

/** Through a shell where there is one, since only it can set the limits of E3 on itself. */
function spawnLimited(args: readonly string[]): ChildProcess {
  const options = { env: {}, stdio: ['pipe', 'pipe', 'pipe'] as const, windowsHide: true };
  if (process.platform === 'win32')
    return spawn(process.execPath, [...args], { ...options, stdio: [...options.stdio] });
  const script = `ulimit -c 0; ulimit -t ${CPU_SECONDS}; exec "$0" "$@"`;
  return spawn('/bin/sh', ['-c', script, process.execPath, ...args], {
    ...options,
    stdio: [...options.stdio],
  });
}

/** Processor time of a process so far; null where the system does not tell. */
function processorMs(pid: number | undefined): number | null {
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
function residentBytes(pid: number): number {
  try {
    return Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1] ?? 0) * PAGE_BYTES;
  } catch {
    return 0;
  }
}
