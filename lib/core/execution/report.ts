import type { StepError } from '#core/errors.ts';
import type { Json } from '#core/json.ts';
import type { Program } from '#core/plan/program.ts';
import { CONNECTOR_TYPES } from '#core/plan/program.ts';
import { compensationState } from './ending.ts';
import type {
  CompensationState,
  ExecutionStatus,
  SkipReason,
  StepClass,
  StepKey,
  StepStatus,
} from './events.ts';
import { isFinal } from './events.ts';
import { indexOf, keyOf } from './program-index.ts';
import type { ExecutionState } from './state.ts';
import { walk } from './state.ts';

/**
 * What became of an execution, in the form in which two runtimes are compared (rule 41): no times,
 * no ids, keys sorted. Steps of scopes that never began are not in it.
 */
export interface ExecutionReport {
  readonly status: ExecutionStatus;
  readonly output: Json;
  readonly error: (StepError & { readonly step?: StepKey }) | null;
  readonly compensation: CompensationState;
  readonly steps: { readonly [step: StepKey]: StepReport };
  /** In the order in which they were carried out. */
  readonly compensations: readonly CompensationReport[];
  /** Calls made by each connector step. */
  readonly calls: { readonly [step: StepKey]: number };
}

export interface StepReport {
  readonly status: StepStatus;
  readonly class: StepClass | null;
  readonly reason: SkipReason | null;
  readonly output: Json;
  readonly error: StepError | null;
  readonly attempts: number;
}

export interface CompensationReport {
  readonly step: StepKey;
  readonly status: 'PENDING' | 'SUCCESS' | 'FAILED';
  readonly attempts: number;
  readonly error: StepError | null;
}

export function report(program: Program, state: ExecutionState): ExecutionReport {
  const steps: [StepKey, StepReport][] = [];
  const calls: [StepKey, number][] = [];
  for (const { place, step } of walk(indexOf(program), state, false)) {
    const key = keyOf(place);
    const { status, reason, output, error, attempts } = step;
    steps.push([key, { status, class: step.class, reason, output, error, attempts }]);
    if (step.config !== null && CALLED.has(place.info.step.type)) calls.push([key, attempts]);
  }
  const known = new Set(steps.map(([key]) => key));
  for (const [key, result] of Object.entries(state.carried ?? {})) {
    if (known.has(key)) continue; // else it is inside a carried container
    const { status, reason, output, attempts } = result;
    const { error = null } = result;
    steps.push([key, { status, class: result.class, reason, output, error, attempts }]);
  }
  return {
    status: state.status,
    output: state.output,
    error: state.error,
    compensation: isFinal(state.status) ? state.compensation : compensationState(state),
    steps: sorted(steps),
    compensations: compensations(state),
    calls: sorted(calls),
  };
}

const CALLED: ReadonlySet<string> = new Set([...CONNECTOR_TYPES, 'callback']);

function compensations(state: ExecutionState): CompensationReport[] {
  return (state.saga?.order ?? []).flatMap((position) => {
    const entry = state.ledger[position];
    if (entry === undefined) return [];
    const { step, status, attempts, error } = entry;
    return [{ step, status, attempts, error }];
  });
}

function sorted<T>(entries: [string, T][]): { readonly [key: string]: T } {
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)));
}
