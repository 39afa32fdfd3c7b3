/** What a failed state does next: which Retrier or Catcher takes the error, and when. */
import type { Failure, Plan } from './history.ts';
import type { Retrier, State } from './machine.ts';

export const DATA_LIMIT = 'States.DataLimitExceeded';
export const QUERY_ERROR = 'States.QueryEvaluationError';
export const RUNTIME_ERROR = 'States.Runtime';
export const TASK_FAILED = 'States.TaskFailed';
export const TIMEOUT = 'States.Timeout';

/**
 * Retriers first, then Catchers, each list in order. `attempts` counts what each Retrier has used
 * in this visit of the state: each counts alone. The first Retrier that names the error decides;
 * when it is used up, the Catchers are asked, not the next Retrier.
 */
export function planFailure(
  state: State,
  attempts: readonly number[],
  failure: Failure,
  now: number,
  random: () => number,
): Plan {
  if (state.type !== 'Task' && state.type !== 'Parallel' && state.type !== 'Map') {
    return { kind: 'raise' };
  }
  const retrier = state.retry.findIndex((each) => matches(each.errorEquals, failure));
  const policy = state.retry[retrier];
  const used = attempts[retrier] ?? 0;
  if (policy !== undefined && used < policy.maxAttempts) {
    return { kind: 'retry', retrier, at: now + retryDelayMs(policy, used, random) };
  }
  const catcher = state.catch.findIndex((each) => matches(each.errorEquals, failure));
  return catcher >= 0 ? { kind: 'catch', catcher } : { kind: 'raise' };
}

/**
 * Seconds are whole on AWS. A fraction is rounded up, so that a retry is never early; how AWS
 * rounds is not recorded, and the emitter uses whole rates only. FULL draws from 0 to the delay.
 */
function retryDelayMs(policy: Retrier, used: number, random: () => number): number {
  const grown = policy.intervalSeconds * policy.backoffRate ** used;
  const seconds = Math.min(Math.ceil(grown), policy.maxDelaySeconds ?? Number.MAX_SAFE_INTEGER);
  const delay = Math.min(seconds * 1000, Number.MAX_SAFE_INTEGER);
  return policy.jitter === 'FULL' ? Math.floor(random() * delay) : delay;
}

/**
 * `States.ALL` and `States.TaskFailed` leave out what AWS says they do: States.DataLimitExceeded is
 * caught by its own name alone (recorded), States.Runtime by none, and States.TaskFailed also does
 * not take a timeout. A missed heartbeat reads States.Timeout and answers to both names (measured).
 */
function matches(errorEquals: readonly string[], failure: Failure): boolean {
  const error = failure.error ?? '';
  if (error === RUNTIME_ERROR) return false;
  if (errorEquals.includes(error)) return true;
  if (failure.heartbeat === true && errorEquals.includes('States.HeartbeatTimeout')) return true;
  if (error === DATA_LIMIT) return false;
  if (errorEquals.includes('States.ALL')) return true;
  return (
    errorEquals.includes(TASK_FAILED) && error !== TIMEOUT && error !== 'States.HeartbeatTimeout'
  );
}
