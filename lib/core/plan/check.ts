import { type DraftWorkflow, readDraft } from '#core/dsl/draft.ts';
import { durationMs } from '#core/dsl/durations.ts';
import { Problems } from '#core/dsl/problems.ts';
import type { WorkflowDefinition } from '#core/dsl/schema.ts';
import type { Problem } from '#core/errors.ts';
import { pointerTo } from '#core/json.ts';
import { assembleScope, hashed } from '#core/plan/assemble.ts';
import { shareBudgets } from '#core/plan/budgets.ts';
import { checkChildren, type StoredChildren } from '#core/plan/children.ts';
import { shareLedger } from '#core/plan/ledger.ts';
import { liveSteps } from '#core/plan/liveness.ts';
import {
  type OutlineScope,
  type OutlineStep,
  outlineOf,
  outlineSteps,
} from '#core/plan/outline.ts';
import { pacesOf } from '#core/plan/pace.ts';
import type {
  Author,
  Compensation,
  Expression,
  Program,
  StepType,
  Template,
} from '#core/plan/program.ts';
import { Readings } from '#core/plan/readings.ts';
import { type PlanReport, reportOf } from '#core/plan/report.ts';
import { type Decomposition, decompose } from '#core/plan/series-parallel.ts';
import { buildCompensation, buildStep, type Finish } from '#core/plan/steps.ts';
import { warnAbout } from '#core/plan/warnings.ts';

export interface CheckOptions {
  /** Whose workflow it is; the platform's own have types of steps that nobody else may use. */
  readonly author?: Author;
  /** Children of stored definitions, for E_SUB_RECURSION; without it only direct recursion is seen. */
  readonly childrenOf?: StoredChildren;
}

export type CheckedDefinition =
  | {
      readonly ok: true;
      readonly definition: WorkflowDefinition;
      readonly program: Program;
      readonly warnings: readonly Problem[];
      readonly report: PlanReport;
    }
  | {
      readonly ok: false;
      readonly problems: readonly Problem[];
      readonly warnings: readonly Problem[];
    };

/**
 * Checks a definition and makes its program. Total: any value gives an answer. Everything that is
 * wrong is in one answer, in document order: shape, graph, names, expressions, sizes. What only one
 * runtime minds (E_ASL_*) is said by core/asl.
 */
export function checkDefinition(document: unknown, options: CheckOptions = {}): CheckedDefinition {
  const problems = new Problems();
  const warnings = new Problems();
  const draft = readDraft(document, problems, options.author);
  if (draft === null) return { ok: false, problems: problems.inOrderOf(document), warnings: [] };

  const root = outlineOf(draft.root, problems);
  const reading = readAll(draft, root, problems, warnings);
  checkChildren(draft, root, options.childrenOf ?? null, problems);

  const paces = pacesOf(root);
  const slow = new Set([...paces].filter(([, pace]) => pace.slow).map(([step]) => step));
  const decompositions = decomposeAll(root, (step) => ({
    slow: slow.has(step),
    estimateMs: paces.get(step)?.estimateMs ?? 0,
  }));
  const trees = new Map([...decompositions].map(([scope, { tree }]) => [scope, tree]));
  const defaultOutput = draft.fields.output === undefined;
  const live = liveSteps(root, reading.readings.uses, reading.readings.loopsRead, defaultOutput);
  // Compensations of steps without a connector are evaluated from their records.
  for (const { target, by } of reading.readings.uses) if (target === by) live.add(target);
  const budgets = shareBudgets(root, trees, live, defaultOutput, problems);
  const compensate = shareLedger(reading.compensations, problems);

  if (problems.length > 0) {
    return {
      ok: false,
      problems: problems.inOrderOf(document),
      warnings: warnings.inOrderOf(document),
    };
  }
  const findings = { ...reading, compensate, budgets: budgets.of, live, slow, decompositions };
  const { fields } = draft;
  const program = hashed({
    workflowId: fields.workflow_id ?? '',
    version: fields.version ?? '',
    runtime: fields.runtime ?? 'auto',
    onCancel: fields.on_cancel ?? 'abandon',
    onFailure: fields.on_failure ?? 'drain',
    timeoutMs: durationMs(fields.timeout),
    inputSchema: fields.input_schema ?? null,
    output: reading.output,
    root: assembleScope(root, findings),
    compensates: compensate.size > 0,
    ...startsOf(fields),
  });
  const report = reportOf(program, paces, root, budgets.workflowBytes);
  warnAbout(program, report, warnings);
  return {
    ok: true,
    // One cast: without problems the document is what its schema says (parse.ts does the same).
    definition: document as WorkflowDefinition,
    program,
    warnings: warnings.inOrderOf(document),
    report,
  };
}

/** Left out where nothing is said, so that a program which says nothing has the hash it always had. */
function startsOf({
  limits,
  priority,
}: DraftWorkflow['fields']): Pick<Program, 'limits' | 'priority'> {
  return {
    ...(limits === undefined
      ? {}
      : {
          limits: {
            concurrency: limits.concurrency ?? null,
            starts:
              limits.starts === undefined
                ? null
                : { count: limits.starts.count, perMs: durationMs(limits.starts.per) ?? 0 },
            maxWaiting: limits.max_waiting ?? null,
          },
        }),
    ...(priority === undefined ? {} : { priority }),
  };
}

interface Reading {
  readonly readings: Readings;
  readonly finish: ReadonlyMap<OutlineStep, Finish<StepType>>;
  readonly when: ReadonlyMap<OutlineStep, Expression>;
  readonly compensations: ReadonlyMap<OutlineStep, Omit<Compensation, 'maxBytes'>>;
  readonly output: Template | null;
}

function readAll(
  draft: DraftWorkflow,
  root: OutlineScope,
  problems: Problems,
  warnings: Problems,
): Reading {
  const readings = new Readings(root, problems, warnings);
  const shop = { readings, problems };
  const finish = new Map<OutlineStep, Finish<StepType>>();
  const when = new Map<OutlineStep, Expression>();
  const compensations = new Map<OutlineStep, Omit<Compensation, 'maxBytes'>>();
  for (const step of outlineSteps(root)) {
    const { fields, pointer, compensate } = step.draft;
    const condition = readings.expression(fields.when, pointerTo(pointer, 'when'), { step });
    if (condition !== null) when.set(step, condition);
    const built = buildStep(step, shop);
    if (built !== null) finish.set(step, built);
    if (compensate !== null) compensations.set(step, buildCompensation(compensate, step, shop));
  }
  const { output } = draft.fields;
  return {
    readings,
    finish,
    when,
    compensations,
    output: output === undefined ? null : readings.template(output, '/output', { step: null }),
  };
}

function decomposeAll(
  root: OutlineScope,
  paceOf: (step: OutlineStep) => { slow: boolean; estimateMs: number },
): Map<OutlineScope, Decomposition> {
  const found = new Map<OutlineScope, Decomposition>();
  const visit = (scope: OutlineScope): void => {
    const paces = scope.steps.map(paceOf);
    found.set(
      scope,
      decompose(scope.graph, {
        slow: paces.map((pace) => pace.slow),
        durations: paces.map(({ estimateMs }) => estimateMs),
      }),
    );
    for (const step of scope.steps) for (const inner of step.inner.values()) visit(inner);
  };
  visit(root);
  return found;
}
