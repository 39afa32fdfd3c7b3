import { METRICS } from '#config/metrics.ts';
import type { Conduct } from '#evaluator/conduct.ts';
import { createConduct } from '#evaluator/conduct.ts';
import type { Crew, IndexedResult, Worker } from '#evaluator/crew.ts';
import { createCrew } from '#evaluator/crew.ts';
import type { Failure } from '#evaluator/evaluator-process.ts';
import { bundledEntry, defaultEntry } from '#evaluator/evaluator-process.ts';
import type { FairQueue } from '#evaluator/fair-queue.ts';
import { createFairQueue } from '#evaluator/fair-queue.ts';
import type { Job } from '#evaluator/job.ts';
import {
  answered,
  conclude,
  createJob,
  isAnswered,
  isOver,
  metLimit,
  STRAYED_TWICE,
  unavailable,
} from '#evaluator/job.ts';
import type { ByLane, Lane } from '#evaluator/lanes.ts';
import { LANES, PRIORITIES, runsOf, STAND_IN } from '#evaluator/lanes.ts';
import { createSlowSources } from '#evaluator/slow-sources.ts';
import type { Priority } from '#evaluator/spawn-limited.ts';
import type { Clock } from '#ports/clock.ts';
import type { Evaluator } from '#ports/evaluator.ts';
import { type Metrics, NO_METRICS } from '#ports/metrics.ts';

// The pool of evaluator processes: what stands between hostile expressions and everything else.
//
// L1 There are three lanes, each with its queue and its processes. Work begins in `quick`, where it is
//    given up after a few milliseconds; what does not end there begins anew in `heavy`, where an
//    expression has all its time and processes have little priority. So nobody's quick work waits
//    behind more than a few milliseconds of anybody else's.
// L2 A tenant on probation (see conduct.ts) is served by the process of `probation` alone, which runs
//    when nobody else wants the processor and, while others are about, only a small part of the time.
// L3 In each lane a tenant has one piece of work out at most, and waits after a long one while others
//    are about. One quick process is for proven tenants alone, where there are several.
// L4 Every accepted request is answered: by results, or by a rejection when the pool closes, cannot
//    start any process, or has no room in the lane where the work would go on.
// L5 Which lane an expression ran in never changes what it yields: only `heavy` and `probation` say
//    that it took too long, and both after the same processor time.

export interface EvaluatorPoolOptions {
  /** Quick evaluations at the same time. */
  readonly processes: number;
  /** Business time, for `$now` and `$millis` of the Step Functions dialect; they fail without. */
  readonly clock?: Pick<Clock, 'now'>;
  /** The script of the processes, when it is bundled; it may then read its own folder. */
  readonly entry?: string;
  /** Processor time that one expression may take. */
  readonly limitMs?: number;
  readonly heapMegabytes?: number;
  readonly rssMegabytes?: number;
  /** Requests after which a process is replaced. */
  readonly recycleAfter?: number;
  readonly maxQueued?: number;
  readonly maxQueuedPerTenant?: number;
  readonly metrics?: Metrics;
  /** What the system is told of each lane's processes; a test that shares a full machine gives all the same. */
  readonly priorities?: ByLane<Priority>;
  /** Who is on probation, and for how long. */
  readonly conduct?: Conduct;
  /** Hears which process begins whose work, for tests and for metrics. */
  readonly onRun?: (run: { readonly tenant: string; readonly lane: Lane }) => void;
}

export interface EvaluatorPool extends Evaluator {
  /** For tests and for health: processes that are up, ended ones, and what waits. */
  stats(): {
    readonly pids: readonly number[];
    readonly lanes: ByLane<readonly number[]>;
    /** Processes that are not up yet. */
    readonly starting: number;
    readonly killed: number;
    readonly queued: number;
  };
}

const LIMIT_MS = 100;
/** A tenant with so much in the heavy lane begins no other quick work. */
const MAX_BEHIND = 2;
const MAX_QUEUED_BYTES = 67_108_864;
/** After a run that was not quick a tenant waits so many times as long. */
const REST = 3;

/** Starts evaluator processes at once; they run until `close`. */
export function createEvaluatorPool(options: EvaluatorPoolOptions): EvaluatorPool {
  if (!Number.isInteger(options.processes) || options.processes < 1) {
    throw new TypeError(`processes must be a whole number from 1, not ${options.processes}`);
  }
  const runs = runsOf(options.limitMs ?? LIMIT_MS);
  const quickMs = runs.quick.runMs;
  const bounds = {
    items: options.maxQueued ?? 1_000,
    itemsPerTenant: options.maxQueuedPerTenant ?? 200,
    bytes: MAX_QUEUED_BYTES,
  };
  const queues: ByLane<FairQueue<Job>> = {
    quick: createFairQueue(bounds, pump),
    heavy: createFairQueue(bounds, pump),
    probation: createFairQueue(bounds, pump),
  };
  const conduct = options.conduct ?? createConduct();
  const slow = createSlowSources();
  const { metrics = NO_METRICS } = options;
  /** Tenants that may not begin quick work for what they have in the heavy lane. */
  const held = new Set<string>();
  /** Jobs of tenants that are not proven, at quick work. */
  const unproven = new Set<Job>();
  let killed = 0;
  let nextId = 1;
  let closed = false;
  let holdTimer: NodeJS.Timeout | null = null;
  const crew: Crew<Job> = createCrew<Job>(
    {
      ...(options.entry === undefined ? defaultEntry() : bundledEntry(options.entry)),
      heapMegabytes: options.heapMegabytes ?? 96,
      rssBytes: (options.rssMegabytes ?? 300) * 1_048_576,
      recycleAfter: options.recycleAfter ?? 5_000,
      sizes: { quick: options.processes, heavy: 1, probation: 1 },
      priorities: options.priorities ?? PRIORITIES,
    },
    { onReady, onResult, onUnfinished, onLost, onHopeless },
  );

  /** Hands out work while there is work and a process for it. */
  function pump(): void {
    if (closed) return;
    for (const lane of LANES) {
      for (let staff = staffFor(lane); staff !== null; staff = staffFor(lane)) {
        const next = queues[lane].take(lane === 'quick' ? mayGoQuick : undefined);
        if (next === null) break;
        const which = lane !== 'quick' || conduct.isProven(next.tenant) ? 'last' : 'first';
        begin(crew.take(staff, next.item, which), next.item);
      }
    }
  }

  /** L3: all but one of the quick processes are for everybody. */
  function mayGoQuick(tenant: string): boolean {
    return conduct.isProven(tenant) || unproven.size < Math.max(1, options.processes - 1);
  }

  /** The lane that has a process for this lane's work. */
  function staffFor(lane: Lane): Lane | null {
    if (queues[lane].size === 0 || (lane === 'probation' && isHeld())) return null;
    if (crew.hasIdle(lane)) return lane;
    const standIn = STAND_IN[lane];
    return standIn !== null && !crew.isUp(lane) && crew.hasIdle(standIn) ? standIn : null;
  }

  function isHeld(): boolean {
    const holdMs = conduct.holdMs(performance.now());
    if (holdMs === 0) return false;
    holdTimer ??= setTimeout(() => {
      holdTimer = null;
      pump();
    }, holdMs);
    return true;
  }

  function begin(worker: Worker<Job>, job: Job): void {
    job.runMs = 0;
    if (job.lane === 'quick' && !conduct.isProven(job.request.tenant)) unproven.add(job);
    options.onRun?.({ tenant: job.request.tenant, lane: worker.lane });
    const now = options.clock?.now() ?? null;
    worker.process.start({ id: nextId++, from: answered(job), now }, runs[job.lane], job.payload);
  }

  function onReady({ lane }: Worker<Job>, cpuMs: number): void {
    if (lane === 'probation') conduct.spent(cpuMs, performance.now());
    pump();
  }

  function onResult(worker: Worker<Job>, job: Job, { index, result, cpuMs }: IndexedResult): void {
    job.results[index] = result;
    job.runMs += cpuMs;
    if (cpuMs > runs.heavy.runMs && metLimit(result)) strike(job.request.tenant);
    if (!isAnswered(job)) return;
    crew.giveBack(worker);
    if (job.lane === 'quick') conduct.ran(job.request.tenant, true);
    if (job.lane === 'heavy' && job.runMs < quickMs / 2) slow.forget(job.request);
    leave(job);
    conclude(job);
    pump();
  }

  /** The rest of the work goes on elsewhere, or in its turn. */
  function onUnfinished(worker: Worker<Job>, job: Job, cpuMs: number): void {
    job.runMs += cpuMs;
    crew.giveBack(worker);
    if (job.lane === 'quick') gaveUp(job);
    moveOn(job, laneOf(job.request.tenant, 'heavy'));
    pump();
  }

  /** The job's next expression was not quick. */
  function gaveUp(job: Job): void {
    slow.add(job.request, answered(job));
    conduct.ran(job.request.tenant, false);
  }

  function onLost(job: Job, failure: Failure | null): void {
    const { tenant } = job.request;
    if (failure === null && !job.strayed) {
      job.strayed = true;
      queues[job.lane].putBack(tenant, job);
      leave(job);
    } else {
      const why = failure ?? STRAYED_TWICE;
      killed += 1;
      metrics.add(METRICS.EvaluatorKills, {});
      // L5: a quick run gives no verdict on time, and on a full machine anything may be late there
      const undecided = job.lane === 'quick' && why.reason === 'wall_clock';
      if (undecided) gaveUp(job);
      else {
        strike(tenant);
        job.results[answered(job)] = why;
        job.kills += 1;
      }
      if (isOver(job)) {
        leave(job);
        conclude(job);
      } else moveOn(job, undecided ? laneOf(tenant, 'heavy') : 'probation');
    }
    pump();
  }

  function onHopeless(lane: Lane, why: string): void {
    if (lane === 'quick' && crew.isUp('heavy')) return;
    const error = unavailable(`no evaluator process starts: ${why}`);
    for (const job of queues[lane].drain()) job.reject(error);
  }

  /** L3: the tenant has none out any more; it waits only where that helps somebody. */
  function leave(job: Job, lane: Lane = job.lane): void {
    const { tenant } = job.request;
    const { runMs } = job;
    const now = performance.now();
    unproven.delete(job);
    if (lane === 'probation') conduct.spent(runMs, now);
    const rests = lane === 'heavy' && runMs >= quickMs && conduct.othersAbout(tenant, now);
    if (lane === 'quick' && queues.heavy.pending(tenant) >= MAX_BEHIND) held.add(tenant);
    else queues[lane].release(tenant, rests ? runMs * REST : 0);
    unhold(tenant);
  }

  function unhold(tenant: string): void {
    if (queues.heavy.pending(tenant) >= MAX_BEHIND || !held.delete(tenant)) return;
    queues.quick.release(tenant, 0);
  }

  function moveOn(job: Job, lane: Lane): void {
    if (lane === job.lane) {
      queues[lane].putBack(job.request.tenant, job);
      leave(job);
    } else {
      const before = job.lane;
      enqueue(job, lane);
      leave(job, before);
    }
  }

  function laneOf(tenant: string, otherwise: Lane): Lane {
    return conduct.isOnProbation(tenant, performance.now()) ? 'probation' : otherwise;
  }

  function enqueue(job: Job, lane: Lane): void {
    job.lane = lane;
    if (!queues[lane].add(job.request.tenant, job, job.bytes)) {
      job.reject(unavailable('too many evaluations are waiting'));
    }
  }

  /** L2 holds for what waits already. */
  function strike(tenant: string): void {
    conduct.strike(tenant, performance.now());
    for (const lane of ['quick', 'heavy'] as const) {
      for (const job of queues[lane].remove(tenant)) enqueue(job, 'probation');
    }
    unhold(tenant);
  }

  return {
    evaluate(request) {
      const { tenant, expressions } = request;
      if (closed) return Promise.reject(unavailable('the evaluator is closed'));
      if (expressions.length === 0) return Promise.resolve([]);
      conduct.came(tenant, performance.now());
      const created = createJob(request);
      if ('reason' in created) return Promise.resolve(expressions.map(() => created));
      enqueue(created.job, laneOf(tenant, slow.knows(request) ? 'heavy' : 'quick'));
      pump();
      return created.answer;
    },

    async close() {
      if (!closed) {
        closed = true;
        if (holdTimer !== null) clearTimeout(holdTimer);
        const error = unavailable('the evaluator is closed');
        for (const lane of LANES) for (const job of queues[lane].drain()) job.reject(error);
        for (const { job } of crew.workers()) job?.reject(error);
      }
      await crew.close();
    },

    stats() {
      const workers = [...crew.workers()];
      const pidsOf = (chosen: readonly Worker<Job>[]): number[] =>
        chosen.map(({ process }) => process.pid).filter((pid) => pid !== undefined);
      return {
        pids: pidsOf(workers),
        lanes: {
          quick: pidsOf(workers.filter(({ lane }) => lane === 'quick')),
          heavy: pidsOf(workers.filter(({ lane }) => lane === 'heavy')),
          probation: pidsOf(workers.filter(({ lane }) => lane === 'probation')),
        },
        starting: workers.filter(({ state }) => state === 'starting').length,
        killed,
        queued: LANES.reduce((sum, lane) => sum + queues[lane].size, 0),
      };
    },
  };
}
