import { formatDuration } from '#core/dsl/durations.ts';
import { LIMITS } from '#core/dsl/limits.ts';
import type { Problems } from '#core/dsl/problems.ts';
import type { Problem } from '#core/errors.ts';
import { isJsonObject, pointerTo } from '#core/json.ts';
import { constantOf, fatesOf } from '#core/plan/classes.ts';
import {
  allSteps,
  CONNECTOR_TYPES,
  type ConnectorStep,
  type Program,
  type Scope,
  type Step,
  scopesOf,
  type Template,
} from '#core/plan/program.ts';
import type { PlanReport } from '#core/plan/report.ts';

/** What is allowed but probably not meant. Traps of expressions are found where they are parsed. */
export function warnAbout(program: Program, report: PlanReport, warnings: Problems): void {
  const visit = (scope: Scope): void => {
    warnings.add(...unreachable(scope), ...redundant(scope));
    for (const step of scope.steps) {
      warnings.add(...joins(step, scope), ...deadArms(step));
      for (const [, inner] of scopesOf(step)) visit(inner);
    }
  };
  visit(program.root);
  for (const step of allSteps(program.root)) {
    if (isConnector(step)) warnings.add(...retries(step));
    warnings.add(...heldSlots(step, program));
  }
  warnings.add(...barriers(report), ...costs(report));
}

const OUTLASTING = ['approval', 'callback', 'sub_workflow', 'wait'];

/** A slot is taken from the beginning to the end, also by one that only waits. */
function* heldSlots(step: Step, { limits }: Program): Generator<Problem> {
  const most = limits?.concurrency ?? null;
  if (most === null || !step.slow || !OUTLASTING.includes(step.type)) return;
  if (step.type === 'sub_workflow' && step.mode === 'detach') return;
  yield {
    code: 'W_SLOT_HELD',
    pointer: step.pointer,
    message: `while '${step.path}' waits, its execution takes one of the ${most} that may run at once`,
    given: `limits.concurrency ${most}`,
    allowed:
      'a limit that counts those which only wait, or a workflow of its own for what is limited',
  };
}

function isConnector(step: Step): step is ConnectorStep {
  return (CONNECTOR_TYPES as readonly string[]).includes(step.type);
}

function* unreachable(scope: Scope): Generator<Problem> {
  for (const [step, { reachable }] of fatesOf(scope)) {
    if (!reachable) {
      yield {
        code: 'W_UNREACHABLE',
        pointer: pointerTo(step.pointer, 'trigger'),
        message: `step '${step.id}' can never run: its dependencies cannot end so that '${step.trigger}' holds`,
        given: step.trigger,
        allowed: 'another trigger, or other dependencies',
      };
    }
    if (step.when !== null && constantOf(step.when) === false) {
      yield {
        code: 'W_UNREACHABLE',
        pointer: pointerTo(step.pointer, 'when'),
        message: `step '${step.id}' can never run: its condition is never true`,
        given: step.when.source,
        allowed: 'a condition that can be true',
      };
    }
  }
}

function* deadArms(step: Step): Generator<Problem> {
  if (step.type === 'loop') {
    const value = constantOf(step.test);
    if (value !== null && value === step.negate) {
      yield {
        code: 'W_UNREACHABLE',
        pointer: pointerTo(step.pointer, 'config', step.negate ? 'until' : 'while'),
        message: `the steps of loop '${step.id}' can never run`,
        given: step.test.source,
        allowed: 'a condition that can change',
      };
    }
  }
  if (step.type !== 'branch') return;
  let decided: number | null = null;
  for (const [i, { when }] of step.cases.entries()) {
    const value = constantOf(when);
    if (decided !== null || value === false) {
      yield {
        code: 'W_UNREACHABLE',
        pointer: pointerTo(step.pointer, 'config', 'cases', i),
        message:
          decided === null
            ? `this case of '${step.id}' is never true`
            : `case ${decided} of '${step.id}' is always true, so this one is never tested`,
        given: when.source,
        allowed: "conditions that can be true, and the rest in 'else'",
      };
    } else if (value === true) decided = i;
  }
  if (decided !== null && step.otherwise !== null) {
    yield {
      code: 'W_UNREACHABLE',
      pointer: pointerTo(step.pointer, 'config', 'else'),
      message: `case ${decided} of '${step.id}' is always true, so 'else' never runs`,
      allowed: "no 'else', or a case that can be false",
    };
  }
}

/**
 * A dependency that others imply in time and in outcome: every step on the way to it asks for
 * all_success, so without it the step would run in exactly the same cases.
 */
function* redundant(scope: Scope): Generator<Problem> {
  // Steps whose success is implied by a step's success, itself not included.
  const implied = new Map<number, Set<number>>();
  const ordered = [...scope.steps].sort((a, b) => a.no - b.no);
  for (const step of ordered) {
    const mine = new Set<number>();
    if (step.trigger === 'all_success' && !step.continueOnFailure) {
      for (const d of step.dependsOn) {
        mine.add(d);
        for (const further of implied.get(d) ?? []) mine.add(further);
      }
    }
    implied.set(step.index, mine);
    if (step.trigger !== 'all_success') continue;
    for (const d of step.dependsOn) {
      const by = step.dependsOn.find((other) => other !== d && implied.get(other)?.has(d) === true);
      if (by === undefined) continue;
      const name = scope.steps[d]?.id ?? '';
      yield {
        code: 'W_REDUNDANT_DEP',
        pointer: pointerTo(step.pointer, 'depends_on'),
        message: `'${step.id}' need not name '${name}': '${scope.steps[by]?.id ?? ''}' already waits for it`,
        given: name,
        allowed: 'only the dependencies that no other implies',
      };
    }
  }
}

function* joins(step: Step, scope: Scope): Generator<Problem> {
  if (step.dependsOn.length === 0) {
    if (step.trigger === 'one_failed' || step.trigger === 'all_failed') {
      yield {
        code: 'W_RULE_WITHOUT_DEPS',
        pointer: pointerTo(step.pointer, 'trigger'),
        message: `'${step.trigger}' without dependencies always holds: '${step.id}' runs at once`,
        given: step.trigger,
        allowed: 'depends_on with the steps that are watched',
      };
    }
    return;
  }
  if (step.trigger !== 'all_success' || step.dependsOn.length < 2) return;
  const conditional = step.dependsOn
    .flatMap((i) => scope.steps[i] ?? [])
    .filter(({ when }) => when !== null);
  const [first] = conditional;
  if (first === undefined) return;
  yield {
    code: 'W_JOIN_AFTER_SKIP',
    pointer: step.pointer,
    message: `'${step.id}' is skipped whenever '${first.id}' is: all_success holds only if no dependency was skipped`,
    given: conditional.map(({ id }) => id).join(', '),
    allowed: "trigger 'none_failed_min_one_success', or a branch step",
  };
}

function* retries(step: ConnectorStep): Generator<Problem> {
  const pointer = pointerTo(step.pointer, 'config');
  if (step.retry.maxAttempts === 0) {
    yield {
      code: 'W_NO_RETRY',
      pointer: step.pointer,
      message: `'${step.id}' is called once only: a moment's trouble fails it`,
      allowed: `retry, such as { "max_attempts": 3 }`,
    };
    return;
  }
  if (step.type !== 'http_request') return;
  const method = memberOf(step.config, 'method');
  const unsafe =
    method?.kind === 'literal' && (method.value === 'POST' || method.value === 'PATCH');
  if (!unsafe || mayHaveKey(memberOf(step.config, 'headers'))) return;
  yield {
    code: 'W_NON_IDEMPOTENT_RETRY',
    pointer: pointerTo(pointer, 'retry'),
    message: `'${step.id}' repeats a ${String(method.value)}: a receiver that does not look at the Idempotency-Key sent with it may do it ${step.retry.maxAttempts + 1} times`,
    allowed: 'a receiver that dedupes by Idempotency-Key (the same for all attempts), or no retry',
  };
}

function memberOf(template: Template, name: string): Template | null {
  if (template.kind === 'object') {
    return template.members.find(([key]) => key === name)?.[1] ?? null;
  }
  if (template.kind !== 'literal' || !isJsonObject(template.value)) return null;
  const value = template.value[name];
  return value === undefined ? null : { kind: 'literal', value };
}

function mayHaveKey(headers: Template | null): boolean {
  if (headers === null) return false;
  if (headers.kind === 'object') return headers.members.some(([key]) => isKeyHeader(key));
  if (headers.kind === 'literal' && isJsonObject(headers.value)) {
    return Object.keys(headers.value).some(isKeyHeader);
  }
  return headers.kind === 'expression';
}

function isKeyHeader(name: string): boolean {
  return name.toLowerCase().includes('idempotency');
}

function* barriers(report: PlanReport): Generator<Problem> {
  for (const barrier of report.barriers) {
    const pairs = barrier.slowPairs.length > 0 ? barrier.slowPairs : barrier.pairs;
    const named = pairs.slice(0, 5).map(([a, b]) => `'${b}' for '${a}'`);
    yield {
      code: 'W_BARRIER',
      pointer: barrier.pointer,
      message: `on Step Functions some steps wait for others they do not depend on: ${named.join(', ')}${pairs.length > 5 ? ` and ${pairs.length - 5} more` : ''}${barrier.slowPairs.length > 0 ? ', which may take long' : ''}`,
      given: `estimated stretch ${barrier.stretch}`,
      allowed: 'dependencies that nest, or runtime engine',
    };
  }
}

function* costs(report: PlanReport): Generator<Problem> {
  if (report.totalCalls < LIMITS.costlyCalls) return;
  const [most] = [...report.steps].sort((a, b) => b.calls - a.calls);
  if (most === undefined) return;
  yield {
    code: 'W_COST',
    pointer: most.pointer,
    message: `one execution may make up to ${report.totalCalls} calls, ${most.calls} of them by '${most.path}'`,
    given: `${most.runs} runs, estimated ${formatDuration(Math.max(1, Math.round(most.estimateMs)))} each`,
    allowed: `fewer than ${LIMITS.costlyCalls} calls: lower max_items, max_iterations or retries`,
  };
}
