import { dirname, resolve } from 'node:path';
import type { EvaluationFailure, EvaluationResult } from '#core/expr/outcome.ts';
import type { ProcessMessage, WorkMessage } from '#evaluator/protocol.ts';
import { createFrameReader, encodeFrame, MAX_REPLY_BYTES } from '#evaluator/protocol.ts';
import type { Priority } from '#evaluator/spawn-limited.ts';
import { processorMs, residentBytes, spawnLimited } from '#evaluator/spawn-limited.ts';

// One evaluator process as its parent sees it.
//
// Owns:    the operating-system process, its clock and its memory.
// Pool owns: who gets it, and what becomes of the work of a process that ended.
//
// E1 A process works on at most one piece of work, and every answer belongs to that one.
// E2 It is killed when one expression takes more processor time than `killMs` of the run, when its
//    resident memory passes `rssBytes`, or when it says something unexpected. Time that the machine
//    gave to others is not counted, so a busy machine makes an expression slower and never fails it.
// E3 It has no environment, no permission to write, spawn or load native code, and may use some
//    minutes of processor time at most, so that it cannot outlive a parent that was killed.
// E4 It uses one core.

export interface ProcessOptions {
  /** The script; a bundle passes its own. */
  readonly entry: string;
  /** Folders that the script may read: itself and what it imports. */
  readonly readable: readonly string[];
  readonly heapMegabytes: number;
  readonly rssBytes: number;
}

/** How long the process may be at one expression. */
export interface Run {
  /** As in `WorkMessage`. */
  readonly limitMs: number;
  readonly runMs: number;
  readonly quick: boolean;
  /** Processor time at which an expression is stopped from outside: its own guard came not to it. */
  readonly killMs: number;
}

export type Failure = EvaluationResult & { readonly ok: false };

/** What the pool learns of a process. Exactly one of `onReady` and `onEnd` comes first. */
export interface ProcessListener {
  /** `cpuMs` is what its start took. */
  onReady(cpuMs: number): void;
  /** Times are of the processor. */
  onResult(index: number, result: EvaluationResult, cpuMs: number): void;
  /** The run is over before this expression is answered. */
  onUnfinished(index: number, cpuMs: number): void;
  /**
   * The process is gone; nothing follows. `failure` is null when neither we nor its work ended it:
   * somebody killed it, and its work deserves another process.
   */
  onEnd(failure: Failure | null, diagnosis: string): void;
}

export interface EvaluatorProcess {
  readonly pid: number | undefined;
  /** Hands over work; `envelope` is a `WorkMessage` without its `work`, which is JSON already. */
  start(envelope: Pick<WorkMessage, 'id' | 'from' | 'now'>, run: Run, work: string): void;
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

/** How often the time of an expression is looked at; most are done before the first look. */
const LOOK_MS = 25;
/** The system counts processor time in steps of this. */
const STEP_MS = 10;
/** Where the system does not tell processor time, real time counts, and so much more of it. */
const REAL_TIME = 3;
/** An expression without a processor for so long: something is wrong, but not with the expression. */
const STUCK_MS = 120_000;
const DIAGNOSIS_CHARS = 2_000;
const TOO_MUCH_MEMORY = 'the expression used more memory than it may';

export function startEvaluatorProcess(
  options: ProcessOptions,
  priority: Priority,
  listener: ProcessListener,
): EvaluatorProcess {
  const flags = [
    '--permission',
    ...options.readable.map((folder) => `--allow-fs-read=${folder}`),
    `--max-old-space-size=${options.heapMegabytes}`,
    '--max-semi-space-size=8',
    // one hostile expression keeps one core busy, not all of them with collecting its garbage
    '--single-threaded-gc',
    '--disable-warning=ExperimentalWarning',
    '--no-addons',
  ];
  const child = spawnLimited([...flags, options.entry], priority);
  let diagnosis = '';
  let ending: Failure | null = null;
  let ended = false;
  let current: number | null = null;
  let killMs = 0;
  let clock: NodeJS.Timeout | null = null;
  /** When the expression began, and what the process had used by then as it said itself. */
  let since = 0;
  let usedBefore = 0;
  let progress = 0;

  const kill = (reason: EvaluationFailure, message: string): void => {
    if (ended) return;
    ending ??= { ok: false, reason, message };
    child.kill('SIGKILL');
  };
  /** Kills what is over its time, but first hears what it may have said meanwhile. */
  const look = (): void => {
    const elapsed = performance.now() - since;
    const used = processorMs(child.pid);
    const over =
      used === null ? elapsed >= killMs * REAL_TIME : used - usedBefore + STEP_MS >= killMs;
    if (!over && elapsed < STUCK_MS) {
      clock?.refresh();
      return;
    }
    // This process may have been busy itself: an answer that lies in the pipe counts.
    const seen = progress;
    setImmediate(() => {
      if (current === null || progress !== seen) return;
      if (over) kill('wall_clock', `the expression took more than ${killMs} ms`);
      else child.kill('SIGKILL');
    });
  };
  const startClock = (): void => {
    since = performance.now();
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
    usedBefore = message.usedMs;
    if ('ready' in message) listener.onReady(message.cpuMs);
    else if (message.id === current) {
      startClock();
      if ('unfinished' in message) listener.onUnfinished(message.index, message.cpuMs);
      else listener.onResult(message.index, message.result, message.cpuMs);
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
    start(envelope, { killMs: kills, ...run }, work) {
      current = envelope.id;
      killMs = kills;
      const message = JSON.stringify({ ...envelope, ...run });
      child.stdin?.write(encodeFrame(`${message.slice(0, -1)},"work":${work}}`));
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
