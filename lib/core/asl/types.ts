import type { Json } from '#core/json.ts';

/**
 * The part of Amazon States Language that the compiler writes: JSONata mode only. Fields are those
 * that AWS accepts there; a state is built up field by field and is final once in a `Machine`.
 */

/** JSON in which a string `{% ... %}` is a JSONata expression. */
export type AslValue = Json;

export interface Assign {
  [variable: string]: AslValue;
}

export interface Retrier {
  ErrorEquals: readonly string[];
  IntervalSeconds?: number;
  BackoffRate?: number;
  MaxAttempts: number;
  MaxDelaySeconds?: number;
  JitterStrategy?: 'FULL' | 'NONE';
}

export interface Catcher {
  ErrorEquals: readonly string[];
  Assign?: Assign;
  Output?: AslValue;
  Next: string;
}

export interface ChoiceRule {
  Condition: string;
  Assign?: Assign;
  Next: string;
}

interface StateBase {
  Comment?: string;
  Assign?: Assign;
  Output?: AslValue;
  Next?: string;
  End?: true;
}

export interface PassState extends StateBase {
  Type: 'Pass';
}

export interface TaskState extends StateBase {
  Type: 'Task';
  Resource: string;
  Arguments: AslValue;
  TimeoutSeconds?: number;
  HeartbeatSeconds?: number;
  Retry?: Retrier[];
  Catch?: Catcher[];
}

export interface WaitState extends StateBase {
  Type: 'Wait';
  Seconds?: number | string;
  Timestamp?: string;
}

export interface ChoiceState {
  Type: 'Choice';
  Comment?: string;
  Choices: ChoiceRule[];
  /** Applies with `Default` only; a rule that matches has its own. */
  Assign?: Assign;
  Output?: AslValue;
  Default: string;
}

export interface ParallelState extends StateBase {
  Type: 'Parallel';
  Branches: Chart[];
  Catch?: Catcher[];
}

export interface MapState extends StateBase {
  Type: 'Map';
  Items: AslValue;
  ItemSelector?: AslValue;
  MaxConcurrency?: number;
  ItemProcessor: Chart & { ProcessorConfig: { Mode: 'INLINE' } };
  Catch?: Catcher[];
}

export interface FailState {
  Type: 'Fail';
  Comment?: string;
  Error: string;
  Cause: string;
}

export type State =
  | PassState
  | TaskState
  | WaitState
  | ChoiceState
  | ParallelState
  | MapState
  | FailState;

/** States with a beginning: the machine, a branch of a Parallel, the body of a Map. */
export interface Chart {
  StartAt: string;
  States: { [name: string]: State };
}

export interface Machine extends Chart {
  Comment: string;
  QueryLanguage: 'JSONata';
  TimeoutSeconds?: number;
}

/** Charts directly inside a state. */
export function chartsOf(state: State): readonly Chart[] {
  if (state.Type === 'Parallel') return state.Branches;
  if (state.Type === 'Map') return [state.ItemProcessor];
  return [];
}

/** Where a state may go, in the order of its fields; empty at an end. */
export function targetsOf(state: State): readonly string[] {
  if (state.Type === 'Fail') return [];
  if (state.Type === 'Choice') return [...state.Choices.map((rule) => rule.Next), state.Default];
  const targets = state.Next === undefined ? [] : [state.Next];
  if ('Catch' in state) for (const catcher of state.Catch ?? []) targets.push(catcher.Next);
  return targets;
}
