import type { Json, JsonObject } from '#core/json.ts';

/**
 * The program: a checked definition in the form that both runtimes execute. It is plain JSON (so it
 * can be hashed and stored) and holds no defaults to fill in: every omission of the author has been
 * decided. The engine runs the graph of each scope; the compiler writes its series-parallel tree.
 */
export interface Program {
  readonly workflowId: string;
  readonly version: string;
  /** SHA-256 of the canonical program without this member; recorded with every execution. */
  readonly hash: string;
  readonly runtime: RuntimeChoice;
  readonly onCancel: 'abandon' | 'compensate';
  readonly onFailure: 'drain' | 'halt';
  readonly timeoutMs: number | null;
  readonly inputSchema: JsonObject | null;
  /** Null: the default output, an object of top-level outputs by step id. */
  readonly output: Template | null;
  readonly root: Scope;
  /** True when any step has `compensate`; without it no ledger is kept. */
  readonly compensates: boolean;
  /** Absent: nothing holds its starts. Of the highest version stored it holds for all of them. */
  readonly limits?: StartLimits;
  /** Of executions that say nothing else; absent: 0. */
  readonly priority?: number;
}

/** How many executions may run at once, and begin within a time; null: as many as come. */
export interface StartLimits {
  readonly concurrency: number | null;
  readonly starts: StartRate | null;
  /** Starts that may wait; null: as many as the platform lets wait. */
  readonly maxWaiting: number | null;
}

/** No more than `count` within any span of `perMs`. */
export interface StartRate {
  readonly count: number;
  readonly perMs: number;
}

export type RuntimeChoice = 'auto' | 'engine' | 'step_functions';
export const RUNTIMES = ['engine', 'step_functions'] as const;
export type Runtime = (typeof RUNTIMES)[number];

/** A list of steps with a graph of its own: the workflow, a container's body, a branch's arm. */
export interface Scope {
  /** Unique in the program and short: `` for the root, else `<no of the container>` or `<no>.<arm>`. */
  readonly id: string;
  /** Path of the container step this scope belongs to; `` at the root. */
  readonly path: string;
  /** In the author's order; `Step.index` is the position here. */
  readonly steps: readonly Step[];
  /** Series-parallel form of the graph, made total by `barriers` where the graph is not SP. */
  readonly tree: SeriesParallel;
  readonly barriers: readonly Barrier[];
}

/** Leaves are positions in `Scope.steps`. */
export type SeriesParallel =
  | { readonly kind: 'leaf'; readonly step: number }
  | { readonly kind: 'series'; readonly of: readonly SeriesParallel[] }
  | { readonly kind: 'parallel'; readonly of: readonly SeriesParallel[] };

/** Orderings that Step Functions needs and the graph does not have. Positions in `Scope.steps`. */
export interface Barrier {
  readonly before: readonly number[];
  readonly after: readonly number[];
  readonly added: readonly (readonly [number, number])[];
  /** The added pairs whose first step may be slow (approval, callback, long wait, child, loop, for_each). */
  readonly slow: readonly (readonly [number, number])[];
}

export const TRIGGER_RULES = [
  'all_success',
  'none_failed',
  'none_failed_min_one_success',
  'all_done',
  'one_failed',
  'all_failed',
] as const;
export type TriggerRule = (typeof TRIGGER_RULES)[number];

/** What tenants write, in the order in which it is published. */
export const STEP_TYPES = [
  'http_request',
  'database_operation',
  'notification',
  'transform',
  'wait',
  'approval',
  'callback',
  'sub_workflow',
  'for_each',
  'branch',
  'loop',
  'group',
  'fail',
] as const;

/**
 * What the platform's own workflows are made of. They operate the platform itself, also while its
 * database is away, so what needs that (connections, children, callbacks) is not for them; and
 * `platform_operation` is for nobody else: it is in no published schema, and no API accepts it.
 */
export const PLATFORM_STEP_TYPES = [
  'platform_operation',
  'transform',
  'wait',
  'approval',
  'for_each',
  'branch',
  'loop',
  'group',
  'fail',
] as const;
export type StepType = (typeof STEP_TYPES)[number] | (typeof PLATFORM_STEP_TYPES)[number];

/** Types whose work is a call that can fail, time out and be retried. */
export const CONNECTOR_TYPES = [
  'http_request',
  'database_operation',
  'notification',
  'platform_operation',
] as const;
export type ConnectorType = (typeof CONNECTOR_TYPES)[number];

/** What may undo a step. */
export const COMPENSATION_TYPES = [
  'http_request',
  'database_operation',
  'notification',
  'sub_workflow',
] as const;
export const PLATFORM_COMPENSATION_TYPES = ['platform_operation'] as const;
export type CompensationType =
  | (typeof COMPENSATION_TYPES)[number]
  | (typeof PLATFORM_COMPENSATION_TYPES)[number];

/** Whose workflow it is: that decides which types there are. */
export type Author = 'tenant' | 'platform';

export const TYPES_OF: {
  readonly [A in Author]: {
    readonly steps: readonly StepType[];
    readonly compensations: readonly CompensationType[];
  };
} = {
  tenant: { steps: STEP_TYPES, compensations: COMPENSATION_TYPES },
  platform: { steps: PLATFORM_STEP_TYPES, compensations: PLATFORM_COMPENSATION_TYPES },
};

interface StepBase<T extends StepType> {
  readonly type: T;
  readonly id: string;
  /** `outer.inner`: unique in the workflow. */
  readonly path: string;
  /** Topological number, unique in the workflow: an ancestor's is smaller. */
  readonly no: number;
  /** Position in `Scope.steps`. */
  readonly index: number;
  /** Where the step stands in the definition, as a JSON Pointer. */
  readonly pointer: string;
  /** Positions of direct dependencies in the same scope. */
  readonly dependsOn: readonly number[];
  readonly trigger: TriggerRule;
  readonly when: Expression | null;
  readonly continueOnFailure: boolean;
  /** Bytes of canonical JSON that the output may have. Resolved: never unset. */
  readonly maxOutputBytes: number;
  /** Whether anything later reads the output: another step, the workflow's output, a ledger. */
  readonly live: boolean;
  /** May take longer than a minute: a barrier behind it would surprise. */
  readonly slow: boolean;
  readonly compensate: Compensation | null;
}

interface Called {
  readonly timeoutMs: number;
  readonly retry: RetryPolicy;
  /** Shapes `$result`, the raw result, before the size budget applies; null: the raw result. */
  readonly result: Expression | null;
}

export type HttpRequestStep = StepBase<'http_request'> & Called & { readonly config: Template };
export type DatabaseOperationStep = StepBase<'database_operation'> &
  Called & { readonly config: Template };
export type NotificationStep = StepBase<'notification'> & Called & { readonly config: Template };
export type PlatformOperationStep = StepBase<'platform_operation'> &
  Called & { readonly config: Template };
export type ConnectorStep =
  | HttpRequestStep
  | DatabaseOperationStep
  | NotificationStep
  | PlatformOperationStep;

export type TransformStep = StepBase<'transform'> & { readonly value: Template };
/** Exactly one of the two is set; a duration is milliseconds (number), an instant RFC 3339 (string). */
export type WaitStep = StepBase<'wait'> & {
  readonly duration: Template | null;
  readonly until: Template | null;
};
/** `config` evaluates to `{assignee, message?}`. */
export type ApprovalStep = StepBase<'approval'> & {
  readonly config: Template;
  readonly timeoutMs: number;
  readonly onReject: 'fail' | 'continue';
  readonly result: Expression | null;
};
/** `config` evaluates to `{request: {url, method, ...}}`: the HTTP request that hands the token out. */
export type CallbackStep = StepBase<'callback'> & {
  readonly config: Template;
  readonly timeoutMs: number;
  readonly heartbeatMs: number | null;
  readonly result: Expression | null;
};
/** `config` evaluates to `{workflow_id, version?, input?}`. */
export type SubWorkflowStep = StepBase<'sub_workflow'> & {
  readonly config: Template;
  readonly mode: 'wait' | 'detach';
  readonly timeoutMs: number | null;
  readonly result: Expression | null;
};
export type ForEachStep = StepBase<'for_each'> & {
  readonly items: Template;
  readonly concurrency: number;
  readonly maxItems: number;
  readonly body: Scope;
};
export type BranchStep = StepBase<'branch'> & {
  readonly cases: readonly { readonly when: Expression; readonly body: Scope }[];
  readonly otherwise: Scope | null;
};
export type LoopStep = StepBase<'loop'> & {
  /** Tested before each iteration; the loop goes on while it is true (`until` is negated: see `negate`). */
  readonly test: Expression;
  readonly negate: boolean;
  readonly maxIterations: number;
  readonly body: Scope;
};
export type GroupStep = StepBase<'group'> & { readonly body: Scope };
export type FailStep = StepBase<'fail'> & { readonly error: string; readonly message: Template };

export type Step =
  | HttpRequestStep
  | DatabaseOperationStep
  | NotificationStep
  | PlatformOperationStep
  | TransformStep
  | WaitStep
  | ApprovalStep
  | CallbackStep
  | SubWorkflowStep
  | ForEachStep
  | BranchStep
  | LoopStep
  | GroupStep
  | FailStep;
export type StepOf<T extends StepType> = Extract<Step, { type: T }>;

/** Delay before retry n (n = 1, 2, ...): `min(intervalMs * rate^(n-1), maxIntervalMs)`; fixed is rate 1. */
export interface RetryPolicy {
  /** Retries after the first call: 3 means up to 4 calls. */
  readonly maxAttempts: number;
  readonly intervalMs: number;
  readonly rate: number;
  readonly maxIntervalMs: number | null;
  /** Null: what the taxonomy calls retryable. Else the names that are retried, besides those. */
  readonly retryOn: readonly string[] | null;
}

export interface Compensation {
  readonly type: CompensationType;
  /** Evaluated when the step succeeds, with `$steps.<self>` visible. */
  readonly config: Template;
  /** Of each attempt; null: a child is waited for as long as it takes. */
  readonly timeoutMs: number | null;
  /** Bytes of canonical JSON that the evaluated config may have; a larger one makes the entry bad. */
  readonly maxBytes: number;
}

/** Names an expression can read besides `$steps`. */
export type VisibleName = 'input' | 'execution' | 'item' | 'index' | 'loop' | 'result';

export interface Expression {
  /** Without `{%` and `%}`. */
  readonly source: string;
  /** Ids read through `$steps`, sorted. */
  readonly steps: readonly string[];
  /** Other names read, sorted. */
  readonly names: readonly VisibleName[];
  /** Evaluated in process by core/expr; anything else goes to the evaluator. */
  readonly simple: boolean;
  /** Cannot throw: no guard is needed around it. */
  readonly total: boolean;
  readonly depth: number;
}

/** JSON in which strings may be expressions, parsed once. A part without expressions is one literal. */
export type Template =
  | { readonly kind: 'literal'; readonly value: Json }
  | { readonly kind: 'expression'; readonly expression: Expression }
  | { readonly kind: 'text'; readonly parts: readonly (string | Expression)[] }
  | { readonly kind: 'array'; readonly items: readonly Template[] }
  | { readonly kind: 'object'; readonly members: readonly (readonly [string, Template])[] };

/** Scopes directly inside a step, by the key that names them: `body`, `0`, `1`, ..., `else`. */
export function scopesOf(step: Step): readonly (readonly [string, Scope])[] {
  switch (step.type) {
    case 'for_each':
    case 'loop':
    case 'group':
      return [['body', step.body]];
    case 'branch': {
      const arms: [string, Scope][] = step.cases.map((arm, i) => [String(i), arm.body]);
      if (step.otherwise !== null) arms.push(['else', step.otherwise]);
      return arms;
    }
    default:
      return [];
  }
}

/** Every step of the program, containers before what they hold. */
export function* allSteps(scope: Scope): Generator<Step> {
  for (const step of scope.steps) {
    yield step;
    for (const [, inner] of scopesOf(step)) yield* allSteps(inner);
  }
}

/** Every expression of a template. */
export function* expressionsOf(template: Template): Generator<Expression> {
  switch (template.kind) {
    case 'literal':
      return;
    case 'expression':
      yield template.expression;
      return;
    case 'text':
      for (const part of template.parts) if (typeof part !== 'string') yield part;
      return;
    case 'array':
      for (const item of template.items) yield* expressionsOf(item);
      return;
    case 'object':
      for (const [, member] of template.members) yield* expressionsOf(member);
  }
}
