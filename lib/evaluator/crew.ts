import type { EvaluatorProcess, Failure, ProcessOptions } from '#evaluator/evaluator-process.ts';
import { startEvaluatorProcess } from '#evaluator/evaluator-process.ts';
import type { ByLane, Lane } from '#evaluator/lanes.ts';
import { LANES } from '#evaluator/lanes.ts';
import type { Priority } from '#evaluator/spawn-limited.ts';
import type { EvaluationResult } from '#ports/evaluator.ts';

// The processes of the pool, by lane: started, kept up, replaced when they end.
//
// R1 Each lane has as many processes as it is to have, up or starting; one whose starts fail is tried
//    again after a growing pause.
// R2 Every process that is handed out ends in one of `onResult` to the last, `onUnfinished`, `onEnd`.

/** A process and what it is at. */
export interface Worker<Job> {
  readonly lane: Lane;
  readonly process: EvaluatorProcess;
  state: 'starting' | 'idle' | 'busy';
  job: Job | null;
  /** Pieces of work that it has finished. */
  served: number;
}

export interface CrewListener<Job> {
  /** A worker can take work; `cpuMs` is what its start took. */
  onReady(worker: Worker<Job>, cpuMs: number): void;
  onResult(worker: Worker<Job>, job: Job, result: IndexedResult): void;
  onUnfinished(worker: Worker<Job>, job: Job, cpuMs: number): void;
  /** A process ended over this work; `failure` is null when somebody else ended it. */
  onLost(job: Job, failure: Failure | null): void;
  /** Nothing comes up in this lane; `why` is what the last one said. */
  onHopeless(lane: Lane, why: string): void;
}

export interface IndexedResult {
  readonly index: number;
  readonly result: EvaluationResult;
  readonly cpuMs: number;
}

export interface Crew<Job> {
  hasIdle(lane: Lane): boolean;
  /**
   * An idle worker of a lane that has one, busy from now on: the one used last, whose code is warm,
   * or the one used first, if `first` is asked for.
   */
  take(lane: Lane, job: Job, which: 'last' | 'first'): Worker<Job>;
  /** Its work is done. */
  giveBack(worker: Worker<Job>): void;
  /** Whether a process of the lane is up, idle or busy. */
  isUp(lane: Lane): boolean;
  workers(): Iterable<Worker<Job>>;
  /** Ends all processes; settles when they have ended. */
  close(): Promise<void>;
}

const MEMORY_CHECK_MS = 20;
const MAX_START_DELAY_MS = 5_000;
/** Starts in a row that may fail before waiting callers are told. */
const MAX_FAILED_STARTS = 3;

export function createCrew<Job>(
  options: ProcessOptions & {
    readonly sizes: ByLane<number>;
    readonly priorities: ByLane<Priority>;
    readonly recycleAfter: number;
  },
  listener: CrewListener<Job>,
): Crew<Job> {
  const workers = new Set<Worker<Job>>();
  const idle: ByLane<Worker<Job>[]> = { quick: [], heavy: [], probation: [] };
  const failedStarts: { [L in Lane]: number } = { quick: 0, heavy: 0, probation: 0 };
  const startTimers = new Set<NodeJS.Timeout>();
  let memoryTimer: NodeJS.Timeout | null = null;
  let closing: PromiseWithResolvers<void> | null = null;

  function start(lane: Lane): void {
    const process = startEvaluatorProcess(options, options.priorities[lane], {
      onReady(cpuMs) {
        failedStarts[lane] = 0;
        worker.state = 'idle';
        idle[lane].push(worker);
        listener.onReady(worker, cpuMs);
      },
      onResult(index, result, cpuMs) {
        if (worker.job !== null) listener.onResult(worker, worker.job, { index, result, cpuMs });
      },
      onUnfinished(_index, cpuMs) {
        if (worker.job !== null) listener.onUnfinished(worker, worker.job, cpuMs);
      },
      onEnd: (failure, diagnosis) => ended(worker, failure, diagnosis),
    });
    const worker: Worker<Job> = { lane, process, state: 'starting', job: null, served: 0 };
    workers.add(worker);
  }

  function ended(worker: Worker<Job>, failure: Failure | null, diagnosis: string): void {
    const { lane, job } = worker;
    workers.delete(worker);
    const position = idle[lane].indexOf(worker);
    if (position >= 0) idle[lane].splice(position, 1);
    if (worker.state === 'starting') failedStarts[lane] += 1;
    worker.job = null;
    if (closing !== null) {
      if (workers.size === 0) closing.resolve();
      return;
    }
    if (failedStarts[lane] >= MAX_FAILED_STARTS && !isUp(lane)) {
      listener.onHopeless(lane, diagnosis.trim());
    }
    replace(lane);
    if (job !== null) listener.onLost(job, failure);
  }

  function replace(lane: Lane): void {
    if (failedStarts[lane] === 0) {
      start(lane);
      return;
    }
    const delay = Math.min(MAX_START_DELAY_MS, 100 * 2 ** failedStarts[lane]);
    const timer = setTimeout(() => {
      startTimers.delete(timer);
      start(lane);
    }, delay);
    startTimers.add(timer);
  }

  function isUp(lane: Lane): boolean {
    for (const worker of workers) {
      if (worker.lane === lane && worker.state !== 'starting') return true;
    }
    return false;
  }

  function checkMemory(): void {
    let busy = false;
    for (const worker of workers) {
      if (worker.state !== 'busy') continue;
      busy = true;
      worker.process.checkMemory();
    }
    if (!busy && memoryTimer !== null) {
      clearInterval(memoryTimer);
      memoryTimer = null;
    }
  }

  for (const lane of LANES) for (let i = 0; i < options.sizes[lane]; i++) start(lane);

  return {
    hasIdle: (lane) => idle[lane].length > 0,
    take(lane, job, which) {
      const worker = which === 'last' ? idle[lane].pop() : idle[lane].shift();
      if (worker === undefined) throw new TypeError(`no process of the lane '${lane}' is idle`);
      worker.state = 'busy';
      worker.job = job;
      memoryTimer ??= setInterval(checkMemory, MEMORY_CHECK_MS);
      return worker;
    },
    giveBack(worker) {
      worker.process.finish();
      worker.job = null;
      worker.served += 1;
      // still 'busy', so that nobody gets it before it has ended
      if (worker.served >= options.recycleAfter)
        worker.process.kill('unavailable', 'its time was up');
      else {
        worker.state = 'idle';
        idle[worker.lane].push(worker);
      }
    },
    isUp,
    workers: () => workers,
    async close() {
      if (closing === null) {
        closing = Promise.withResolvers<void>();
        for (const timer of startTimers) clearTimeout(timer);
        if (memoryTimer !== null) clearInterval(memoryTimer);
        for (const worker of workers) {
          worker.job = null;
          worker.process.kill('unavailable', 'the evaluator is closed');
        }
        if (workers.size === 0) closing.resolve();
      }
      await closing.promise;
    },
  };
}
