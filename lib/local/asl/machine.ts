/**
 * A state machine as the interpreter runs it: what `parseMachine` makes of a definition. Only the
 * JSONata mode of the States Language exists here, so a field is either a constant or a template.
 */
import type { Json } from '#core/json.ts';

/** JSON with `{% … %}` strings in it. `expressions` are in document order. */
export interface Template {
  readonly json: Json;
  readonly expressions: readonly TemplateExpression[];
}

export interface TemplateExpression {
  /** Where the value goes in `json`; empty when the whole template is one expression. */
  readonly path: readonly (string | number)[];
  /** How AWS names the place in `EvaluationFailed`: `Output/rows[0]`, `Choices[1]/Condition`. */
  readonly location: string;
  readonly source: string;
}

export interface Scope {
  /** JSON Pointer of the object that holds `States`. */
  readonly pointer: string;
  readonly startAt: string;
  readonly states: ReadonlyMap<string, State>;
}

export interface Machine {
  readonly root: Scope;
  readonly timeoutSeconds: number | null;
  readonly comment: string | null;
}

export type Resource = 'lambda' | 'lambda-token' | 'execution-sync';

/** What a state does on the way out. `next` null ends the scope. */
export interface Exit {
  readonly assign: Template | null;
  readonly output: Template | null;
  readonly next: string | null;
}

export interface Retrier {
  readonly errorEquals: readonly string[];
  readonly intervalSeconds: number;
  readonly maxAttempts: number;
  readonly backoffRate: number;
  readonly maxDelaySeconds: number | null;
  readonly jitter: 'NONE' | 'FULL';
}

export interface Catcher extends Exit {
  readonly errorEquals: readonly string[];
  readonly next: string;
}

interface Named {
  readonly name: string;
}

interface Fallible {
  readonly retry: readonly Retrier[];
  readonly catch: readonly Catcher[];
}

export interface PassState extends Named, Exit {
  readonly type: 'Pass';
}
export interface TaskState extends Named, Exit, Fallible {
  readonly type: 'Task';
  readonly resource: Resource;
  readonly arguments: Template | null;
  readonly timeoutSeconds: Template | null;
  readonly heartbeatSeconds: Template | null;
}
export interface ChoiceState extends Named {
  readonly type: 'Choice';
  readonly rules: readonly (Exit & { readonly condition: Template; readonly next: string })[];
  readonly otherwise: (Exit & { readonly next: string }) | null;
}
export interface WaitState extends Named, Exit {
  readonly type: 'Wait';
  readonly seconds: Template | null;
  readonly timestamp: Template | null;
}
export interface ParallelState extends Named, Exit, Fallible {
  readonly type: 'Parallel';
  readonly arguments: Template | null;
  readonly branches: readonly Scope[];
}
export interface MapState extends Named, Exit, Fallible {
  readonly type: 'Map';
  readonly items: Template | null;
  readonly itemSelector: Template | null;
  readonly maxConcurrency: Template | null;
  readonly processor: Scope;
}
export interface SucceedState extends Named {
  readonly type: 'Succeed';
  readonly output: Template | null;
}
export interface FailState extends Named {
  readonly type: 'Fail';
  readonly error: Template | null;
  readonly cause: Template | null;
}

export type State =
  | PassState
  | TaskState
  | ChoiceState
  | WaitState
  | ParallelState
  | MapState
  | SucceedState
  | FailState;

export type StateType = State['type'];
export type StateOf<T extends StateType> = Extract<State, { type: T }>;

/** Limits of Standard workflows; all are hard on AWS. */
export const LIMITS = {
  definitionBytes: 1_048_576,
  payloadBytes: 262_144,
  variableBytes: 262_144,
  variablesBytes: 10_485_760,
  nameLength: 80,
  /** The last event is the failure itself: it has this id. */
  historyEvents: 25_000,
  mapConcurrency: 40,
  seconds: 99_999_999,
  /** Ours, about 60 containers inside each other. AWS names no figure. */
  depth: 256,
} as const;

/** What a resource is called in events: `resourceType` and `resource`. */
export const RESOURCES: {
  readonly [R in Resource]: { readonly resourceType: string; readonly resource: string };
} = {
  lambda: { resourceType: 'lambda', resource: 'invoke' },
  'lambda-token': { resourceType: 'lambda', resource: 'invoke.waitForTaskToken' },
  'execution-sync': { resourceType: 'states', resource: 'startExecution.sync:2' },
};
