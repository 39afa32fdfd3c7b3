import { CloudFlowError } from '#core/errors.ts';
import type { EvaluationFailure, EvaluationResult } from '#core/expr/outcome.ts';
import { failed } from '#core/expr/outcome.ts';
import type { Failure } from '#evaluator/evaluator-process.ts';
import type { Lane } from '#evaluator/lanes.ts';
import { MAX_INPUT_BYTES } from '#evaluator/protocol.ts';
import type { EvaluationRequest } from '#ports/evaluator.ts';

/** A request on its way through the pool. */
export interface Job {
  readonly request: EvaluationRequest;
  /** The part of it that a process needs, as JSON, and its bytes. */
  readonly payload: string;
  readonly bytes: number;
  /** In the order of the expressions, which are answered in that order. */
  readonly results: (EvaluationResult | undefined)[];
  /** The queue that it is in or came from. */
  lane: Lane;
  /** Processor time that its present run took so far. */
  runMs: number;
  /** Processes that it cost and that gave it a verdict. */
  kills: number;
  /** Whether its process was once ended by somebody else. */
  strayed: boolean;
  resolve(results: readonly EvaluationResult[]): void;
  reject(error: Error): void;
}

/** Processes that one request may cost; its other expressions are then not evaluated. */
const MAX_KILLS_PER_REQUEST = 3;

/** Reasons that come of too much work, not of a mistake. */
const LIMITS: ReadonlySet<EvaluationFailure> = new Set([
  'wall_clock',
  'memory',
  'sequence',
  'too_large',
  'too_deep',
]);

/** Most likely the kernel, for want of memory. */
export const STRAYED_TWICE: Failure = {
  ok: false,
  reason: 'memory',
  message: 'the evaluator process was killed twice from outside',
};

/** A job and the promise of its results; null when the request is larger than any may be. */
export function createJob(
  request: EvaluationRequest,
): { readonly job: Job; readonly answer: Promise<readonly EvaluationResult[]> } | Failure {
  const { dialect, expressions, bindings } = request;
  const payload = JSON.stringify({ dialect, expressions, bindings });
  const bytes = Buffer.byteLength(payload, 'utf8');
  if (bytes > MAX_INPUT_BYTES) {
    const message = `the values at hand have ${bytes} bytes; at most ${MAX_INPUT_BYTES} are allowed`;
    return { ok: false, reason: 'too_large', message };
  }
  const { promise, resolve, reject } = Promise.withResolvers<readonly EvaluationResult[]>();
  const results = new Array<EvaluationResult | undefined>(expressions.length).fill(undefined);
  const state = { lane: 'quick' as const, runMs: 0, kills: 0, strayed: false };
  return { job: { request, payload, bytes, results, ...state, resolve, reject }, answer: promise };
}

/** How many of its expressions have an answer, which is the index of the next. */
export function answered({ results }: Job): number {
  const open = results.indexOf(undefined);
  return open < 0 ? results.length : open;
}

export function isAnswered(job: Job): boolean {
  return answered(job) === job.results.length;
}

/** Whether the job goes no further: all is answered, or it cost too many processes. */
export function isOver(job: Job): boolean {
  return isAnswered(job) || job.kills >= MAX_KILLS_PER_REQUEST;
}

/** Answers the request of a job that is over. */
export function conclude(job: Job): void {
  const message = 'not evaluated: others of the request had to be stopped';
  job.resolve(job.results.map((result) => result ?? failed('unavailable', message)));
}

export function metLimit(result: EvaluationResult): boolean {
  return !result.ok && LIMITS.has(result.reason);
}

export function unavailable(message: string): CloudFlowError {
  return new CloudFlowError('UNAVAILABLE', message);
}
