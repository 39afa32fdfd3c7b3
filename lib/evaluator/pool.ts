import { METRICS } from '#config/metrics.ts';
import { CloudFlowError } from '#core/errors.ts';
import type { EvaluationResult } from '#core/expr/outcome.ts';
import { failed } from '#core/expr/outcome.ts';
import type { EvaluatorProcess, Failure } from '#evaluator/evaluator-process.ts';
import { bundledEntry, defaultEntry, startEvaluatorProcess } from '#evaluator/evaluator-process.ts';
import { createFairQueue } from '#evaluator/fair-queue.ts';
import { MAX_INPUT_BYTES } from '#evaluator/protocol.ts';
import type { Clock } from '#ports/clock.ts';
import type { EvaluationRequest, Evaluator } from '#ports/evaluator.ts';
import { type Metrics, NO_METRICS } from '#ports/metrics.ts';

// The pool of evaluator processes: what stands between hostile expressions and everything else.
//
// L1 One more process runs than may work at once, so that after a kill the next evaluation finds a
//    process that is already up.
// L2 A tenant has one piece of work out at most. While others are about, it waits after a request
//    that took long or ended a process: no tenant keeps even one process busy all the time. On two
//    cores that took the others' p99 beside attacks from 3-5 times to 1-2 times the p99 alone
//    (test/bench/hostile.ts).
// L3 Every accepted request is answered: by results, or by a rejection when the pool closes or
//    cannot start any process.

export interface EvaluatorPoolOptions {
  /** Evaluations at the same time. */
  readonly processes: number;
  /** Business time, for `$now` and `$millis` of the Step Functions dialect; they fail without. */
  readonly clock?: Pick<Clock, 'now'>;
  /** The script of the processes, when it is bundled; it may then read its own folder. */
  readonly entry?: string;
  /** Time that one expression may take; twice as long where the machine did not let it run. */
  readonly wallMs?: number;
  readonly heapMegabytes?: number;
  readonly rssMegabytes?: number;
  /** Requests after which a process is replaced. */
  readonly recycleAfter?: number;
  readonly maxQueued?: number;
  readonly maxQueuedPerTenant?: number;
  readonly metrics?: Metrics;
}

export interface EvaluatorPool extends Evaluator {
  /** For tests and for health: processes that are up, ended ones, and what waits. */
  stats(): { readonly pids: readonly number[]; readonly killed: number; readonly queued: number };
}

interface Job {
  readonly payload: string;
  readonly results: (EvaluationResult | undefined)[];
  /** Processor time that its expressions took so far. */
  cpuMs: number;
  kills: number;
  /** Whether its process was once ended by somebody else. */
  strayed: boolean;
  readonly resolve: (results: readonly EvaluationResult[]) => void;
  readonly reject: (error: Error) => void;
}

interface Slot {
  process: EvaluatorProcess | null;
  state: 'starting' | 'idle' | 'busy';
  job: Job | null;
  tenant: string;
  served: number;
}

const MAX_QUEUED_BYTES = 67_108_864;
/** Processes that one request may cost; its other expressions are then not evaluated. */
const MAX_KILLS_PER_REQUEST = 3;
/** A request that took more processor time makes its tenant wait this many times as long. */
const LONG_MS = 100;
const LONG_WAIT = 3;
/** A tenant is about when it asked within this time. */
const OTHERS_ABOUT_MS = 1_000;
const FIRST_PENALTY_MS = 250;
const MAX_PENALTY_MS = 4_000;
const MAX_STRUCK_TENANTS = 10_000;
const MEMORY_CHECK_MS = 20;
const MAX_START_DELAY_MS = 5_000;
/** Most likely the kernel, for want of memory. */
const STRAYED_TWICE: Failure = {
  ok: false,
  reason: 'memory',
  message: 'the evaluator process was killed twice from outside',
};
/** Starts in a row that may fail before waiting callers are told. */
const MAX_FAILED_STARTS = 3;

/** Starts evaluator processes at once; they run until `close`. */
export function createEvaluatorPool(options: EvaluatorPoolOptions): EvaluatorPool {
  if (!Number.isInteger(options.processes) || options.processes < 1) {
    throw new TypeError(`processes must be a whole number from 1, not ${options.processes}`);
  }
  const files = options.entry === undefined ? defaultEntry() : bundledEntry(options.entry);
  const processOptions = {
    ...files,
    heapMegabytes: options.heapMegabytes ?? 96,
    rssBytes: (options.rssMegabytes ?? 300) * 1_048_576,
    wallMs: options.wallMs ?? 250,
  };
  const recycleAfter = options.recycleAfter ?? 5_000;
  const queue = createFairQueue<Job>(
    {
      items: options.maxQueued ?? 1_000,
      itemsPerTenant: options.maxQueuedPerTenant ?? 200,
      bytes: MAX_QUEUED_BYTES,
    },
    () => pump(),
  );
  const { metrics = NO_METRICS } = options;
  const slots = new Set<Slot>();
  /** Ready processes; the last used is taken first, since its code is warm. */
  const idle: Slot[] = [];
  /** How many processes a tenant's expressions ended, without a clean request in between. */
  const strikes = new Map<string, number>();
  const startTimers = new Set<NodeJS.Timeout>();
  /** The tenant that came last, and the last one other than that. */
  let latest = { tenant: '', at: Number.NEGATIVE_INFINITY };
  let before = latest;
  let working = 0;
  let killed = 0;
  let nextId = 1;
  let failedStarts = 0;
  let lastDiagnosis = '';
  let closing: PromiseWithResolvers<void> | null = null;
  let memoryTimer: NodeJS.Timeout | null = null;

  function startSlot(): void {
    const slot: Slot = {
      process: null,
      state: 'starting',
      job: null,
      tenant: '',
      served: 0,
    };
    slots.add(slot);
    slot.process = startEvaluatorProcess(processOptions, {
      onReady() {
        failedStarts = 0;
        slot.state = 'idle';
        idle.push(slot);
        pump();
      },
      onResult: (index, result, cpuMs) => onResult(slot, index, result, cpuMs),
      onEnd: (failure, diagnosis) => onEnd(slot, failure, diagnosis),
    });
  }

  /** Hands out work while there is work and a process for it. */
  function pump(): void {
    while (closing === null && working < options.processes && idle.length > 0) {
      const next = queue.take();
      if (next === null) return;
      const slot = idle.pop() as Slot;
      slot.state = 'busy';
      slot.job = next.item;
      slot.tenant = next.tenant;
      working += 1;
      memoryTimer ??= setInterval(checkMemory, MEMORY_CHECK_MS);
      const now = options.clock?.now() ?? null;
      slot.process?.start({ id: nextId++, from: answered(next.item), now }, next.item.payload);
    }
  }

  function onResult(slot: Slot, index: number, result: EvaluationResult, cpuMs: number): void {
    const job = slot.job;
    if (job === null) return;
    job.results[index] = result;
    job.cpuMs += cpuMs;
    if (answered(job) < job.results.length) return;
    slot.process?.finish();
    stopWorking(slot);
    slot.served += 1;
    if (slot.served >= recycleAfter) slot.process?.kill('unavailable', 'its time was up');
    else {
      slot.state = 'idle';
      idle.push(slot);
    }
    strikes.delete(slot.tenant);
    rest(slot.tenant, job.cpuMs > LONG_MS ? job.cpuMs * LONG_WAIT : 0);
    job.resolve(job.results as EvaluationResult[]);
    pump();
  }

  function onEnd(slot: Slot, failure: Failure | null, diagnosis: string): void {
    slots.delete(slot);
    const position = idle.indexOf(slot);
    if (position >= 0) idle.splice(position, 1);
    const { job, tenant } = slot;
    if (slot.state === 'starting') {
      failedStarts += 1;
      lastDiagnosis = diagnosis;
    }
    if (job !== null) {
      stopWorking(slot);
      if (failure === null && !job.strayed) {
        job.strayed = true;
        queue.putBack(tenant, job);
        queue.release(tenant, 0);
      } else {
        const why = failure ?? STRAYED_TWICE;
        killed += 1;
        metrics.add(METRICS.EvaluatorKills, { Reason: why.reason });
        afterKill(tenant, job, why);
      }
    }
    if (closing !== null) {
      if (slots.size === 0) closing.resolve();
      return;
    }
    replace();
    pump();
  }

  /** The expression at fault is answered; those after it go on in another process. */
  function afterKill(tenant: string, job: Job, failure: Failure): void {
    const struck = (strikes.get(tenant) ?? 0) + 1;
    if (strikes.size < MAX_STRUCK_TENANTS || strikes.has(tenant)) strikes.set(tenant, struck);
    job.results[answered(job)] = failure;
    job.kills += 1;
    const done = answered(job) === job.results.length;
    if (!done && job.kills < MAX_KILLS_PER_REQUEST && closing === null) {
      queue.putBack(tenant, job);
    } else {
      const unasked = failed(
        'unavailable',
        'not evaluated: others of the request had to be stopped',
      );
      job.resolve(job.results.map((result) => result ?? unasked));
    }
    rest(tenant, Math.min(MAX_PENALTY_MS, FIRST_PENALTY_MS * 2 ** (struck - 1)));
  }

  /** L2: the tenant's work is done; it waits only where that helps somebody. */
  function rest(tenant: string, delayMs: number): void {
    const other = latest.tenant === tenant ? before.at : latest.at;
    queue.release(tenant, performance.now() - other < OTHERS_ABOUT_MS ? delayMs : 0);
  }

  function noteCaller(tenant: string): void {
    if (tenant !== latest.tenant) before = latest;
    latest = { tenant, at: performance.now() };
  }

  function replace(): void {
    if (failedStarts >= MAX_FAILED_STARTS && slots.size === 0) {
      const error = unavailable(`no evaluator process starts: ${lastDiagnosis.trim()}`);
      for (const job of queue.drain()) job.reject(error);
    }
    if (failedStarts === 0) {
      startSlot();
      return;
    }
    const delay = Math.min(MAX_START_DELAY_MS, 100 * 2 ** failedStarts);
    const timer = setTimeout(() => {
      startTimers.delete(timer);
      startSlot();
    }, delay);
    startTimers.add(timer);
  }

  function stopWorking(slot: Slot): void {
    slot.job = null;
    working -= 1;
    if (working === 0 && memoryTimer !== null) {
      clearInterval(memoryTimer);
      memoryTimer = null;
    }
  }

  function checkMemory(): void {
    for (const slot of slots) if (slot.state === 'busy') slot.process?.checkMemory();
  }

  for (let i = 0; i < options.processes + 1; i++) startSlot();

  return {
    evaluate({ tenant, expressions, bindings, dialect }: EvaluationRequest) {
      if (closing !== null) return Promise.reject(unavailable('the evaluator is closed'));
      if (expressions.length === 0) return Promise.resolve([]);
      noteCaller(tenant);
      const payload = JSON.stringify({ dialect, expressions, bindings });
      const bytes = Buffer.byteLength(payload, 'utf8');
      if (bytes > MAX_INPUT_BYTES) {
        const message = `the values at hand have ${bytes} bytes; at most ${MAX_INPUT_BYTES} are allowed`;
        return Promise.resolve(expressions.map(() => failed('too_large', message)));
      }
      const { promise, resolve, reject } = Promise.withResolvers<readonly EvaluationResult[]>();
      const results = new Array<EvaluationResult | undefined>(expressions.length).fill(undefined);
      const job: Job = { payload, results, cpuMs: 0, kills: 0, strayed: false, resolve, reject };
      if (queue.add(tenant, job, bytes)) pump();
      else reject(unavailable('too many evaluations are waiting'));
      return promise;
    },

    async close() {
      if (closing === null) {
        closing = Promise.withResolvers<void>();
        for (const timer of startTimers) clearTimeout(timer);
        const error = unavailable('the evaluator is closed');
        for (const job of queue.drain()) job.reject(error);
        for (const slot of slots) {
          if (slot.job !== null) {
            slot.job.reject(error);
            stopWorking(slot);
          }
          slot.process?.kill('unavailable', 'the evaluator is closed');
        }
        if (slots.size === 0) closing.resolve();
      }
      await closing.promise;
    },

    stats() {
      const pids = [...slots].map((slot) => slot.process?.pid).filter((pid) => pid !== undefined);
      return { pids, killed, queued: queue.size };
    },
  };
}

/** How many expressions of the job have an answer: they are answered in order. */
function answered(job: Job): number {
  const open = job.results.indexOf(undefined);
  return open < 0 ? job.results.length : open;
}

function unavailable(message: string): CloudFlowError {
  return new CloudFlowError('UNAVAILABLE', message);
}
