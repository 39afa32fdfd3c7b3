import type { StepError } from '#core/errors.ts';
import { isRetryableStepError } from '#core/errors.ts';
import type { ConnectorStep, ConnectorType, RetryPolicy, StepOf } from '#core/plan/program.ts';
import { expressionsOf } from '#core/plan/program.ts';
import type { Behaviour } from './behaviour.ts';
import type { CommandOf, Outcome } from './commands.ts';
import type { Decision } from './decision.ts';
import { COMMAND_ID, command, endStep, failStep, record } from './decision.ts';
import type { Values } from './evaluation.ts';
import { render } from './evaluation.ts';
import { failures } from './failures.ts';
import type { Place } from './program-index.ts';
import { keyOf } from './program-index.ts';
import type { StepState } from './state.ts';
import { startsNothing } from './state.ts';

/**
 * Connector steps: one call per attempt, retries by policy (rules 15 to 19).
 *
 * K1 An attempt is called for when its event is recorded (`step_started`, `attempt_started`), and an
 *    answer counts only while that attempt runs.
 * K2 The delay before retry n runs from the failure of attempt n, to the millisecond.
 */
export function connector<T extends ConnectorType>(): Behaviour<T> {
  return {
    expressions: (step: StepOf<T>) => expressionsOf((step as ConnectorStep).config),
    start: (decision, place, step, values) =>
      startCall(decision, place, (step as ConnectorStep).config, values),
    pursue: (decision, place, step, current) =>
      pursueCall(decision, place, (step as ConnectorStep).timeoutMs, current),
    deadline: (_, current) => current.retryAt,
    expire: (decision, place, step, current) => {
      if (startsNothing(decision.state)) return;
      const key = keyOf(place);
      const attempt = current.attempts + 1;
      record(decision, { type: 'attempt_started', step: key, attempt });
      const { timeoutMs } = step as ConnectorStep;
      callCommand(decision, key, attempt, current.config, timeoutMs);
    },
  };
}

function startCall(
  decision: Decision,
  place: Place,
  template: ConnectorStep['config'],
  values: Values,
): void {
  const config = render(template, values);
  const key = keyOf(place);
  record(decision, { type: 'step_started', step: key, config: config.ok ? config.value : null });
  if (!config.ok) {
    failStep(decision, place, failures.expression(config.message));
    return;
  }
  const { step } = place.info;
  if ('retry' in step) callCommand(decision, key, 1, config.value, step.timeoutMs);
}

function pursueCall(decision: Decision, place: Place, timeoutMs: number, current: StepState): void {
  const key = keyOf(place);
  if (current.retryAt !== null) {
    command(decision, { kind: 'timer', id: COMMAND_ID.timer(key), dueAt: current.retryAt });
  } else {
    callCommand(decision, key, current.attempts, current.config, timeoutMs);
  }
}

export function callCommand(
  decision: Decision,
  step: string,
  attempt: number,
  config: CommandOf<'call'>['config'],
  timeoutMs: number,
): void {
  const id = COMMAND_ID.call(step, attempt);
  command(decision, { kind: 'call', id, step, attempt, config, timeoutMs });
}

/** Whether the running attempt of a step is the one that an outcome speaks of. */
export function isRunning(current: StepState, attempt: number): boolean {
  return current.status === 'EXECUTING' && current.retryAt === null && current.attempts === attempt;
}

export function callSucceeded(
  decision: Decision,
  place: Place,
  current: StepState,
  outcome: Extract<Outcome, { kind: 'call_succeeded' }>,
): void {
  if (!isRunning(current, outcome.attempt)) return;
  endStep(decision, place, {
    type: 'step_succeeded',
    step: outcome.step,
    output: outcome.output,
    attempts: outcome.attempt,
    compensation: outcome.compensation,
  });
}

export function callFailed(
  decision: Decision,
  place: Place,
  current: StepState,
  policy: RetryPolicy,
  outcome: Extract<Outcome, { kind: 'call_failed' }>,
): void {
  if (!isRunning(current, outcome.attempt)) return;
  const { step, attempt, error } = outcome;
  if (attempt > policy.maxAttempts || decision.state.halted || !isRetried(policy, error)) {
    failStep(decision, place, error);
    return;
  }
  const dueAt = decision.now + retryDelay(policy, attempt);
  record(decision, { type: 'step_retry_scheduled', step, attempt, error, due_at: dueAt });
  command(decision, { kind: 'timer', id: COMMAND_ID.timer(step), dueAt });
}

/** The taxonomy's retryable errors, and those that the step names besides. */
export function isRetried(policy: RetryPolicy, error: StepError): boolean {
  if (isRetryableStepError(error.code)) return true;
  return (
    policy.retryOn?.some((name) => name === error.code || `CloudFlow.${name}` === error.code) ??
    false
  );
}

const LONGEST_DELAY_MS = 31_536_000_000;

/** Milliseconds before retry n, n from 1. */
export function retryDelay(policy: RetryPolicy, n: number): number {
  const delay = policy.intervalMs * policy.rate ** (n - 1);
  return Math.round(Math.min(delay, policy.maxIntervalMs ?? LONGEST_DELAY_MS, LONGEST_DELAY_MS));
}
