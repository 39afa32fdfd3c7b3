import { sha256Hex } from '#core/hash.ts';
import { canonicalJson, type Json } from '#core/json.ts';
import type { OutlineScope, OutlineStep } from '#core/plan/outline.ts';
import type {
  Compensation,
  Expression,
  Program,
  Scope,
  Step,
  StepType,
} from '#core/plan/program.ts';
import type { Decomposition } from '#core/plan/series-parallel.ts';
import { assembled, type Finish } from '#core/plan/steps.ts';

/** All that was found out about the steps, ready to be put together. */
export interface Findings {
  readonly finish: ReadonlyMap<OutlineStep, Finish<StepType>>;
  readonly when: ReadonlyMap<OutlineStep, Expression>;
  readonly compensate: ReadonlyMap<OutlineStep, Compensation>;
  readonly budgets: ReadonlyMap<OutlineStep, number>;
  readonly live: ReadonlySet<OutlineStep>;
  readonly slow: ReadonlySet<OutlineStep>;
  readonly decompositions: ReadonlyMap<OutlineScope, Decomposition>;
}

export function assembleScope(scope: OutlineScope, findings: Findings): Scope {
  const decomposition = found(findings.decompositions.get(scope), scope.draft.pointer);
  return {
    id: scopeId(scope),
    path: scope.holder?.path ?? '',
    steps: scope.steps.map((step) => assembleStep(step, findings)),
    tree: decomposition.tree,
    barriers: decomposition.barriers,
  };
}

function scopeId({ holder, key }: OutlineScope): string {
  if (holder === null) return '';
  return key === 'body' ? String(holder.no) : `${holder.no}.${key}`;
}

function assembleStep(step: OutlineStep, findings: Findings): Step {
  const { draft, id, path, no, index } = step;
  const { fields, pointer } = draft;
  const own = found(
    findings.finish.get(step),
    pointer,
  )((key) => assembleScope(found(step.inner.get(key), pointer), findings));
  const envelope = {
    type: found(draft.type, pointer),
    id,
    path,
    no,
    index,
    pointer,
    dependsOn: step.scope.graph.dependsOn[index] ?? [],
    trigger: fields.trigger ?? 'all_success',
    when: findings.when.get(step) ?? null,
    continueOnFailure: fields.continue_on_failure ?? false,
    maxOutputBytes: found(findings.budgets.get(step), pointer),
    live: findings.live.has(step),
    slow: findings.slow.has(step),
    compensate: findings.compensate.get(step) ?? null,
  };
  return assembled(envelope, own);
}

/** Only definitions without problems are put together, so nothing can be missing. */
function found<T>(value: T | null | undefined, pointer: string): T {
  if (value === undefined || value === null) {
    throw new TypeError(`a definition with problems at ${pointer} was to become a program`);
  }
  return value;
}

export function hashed(program: Omit<Program, 'hash'>): Program {
  // One cast: a program is JSON by construction (program.ts), which its readonly types do not say.
  return { ...program, hash: sha256Hex(canonicalJson(program as unknown as Json)) };
}
