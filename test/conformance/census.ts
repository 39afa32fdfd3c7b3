/** How often each construct, trigger, error and outcome occurred: what a suite of chance has seen. */
import { allSteps, expressionsOf, type Program, type Step } from '#core/plan/program.ts';
import type { Comparison } from './compare-runtimes.ts';
import type { Refusals } from './generator.ts';
import type { RunResult, Scenario } from './harness.ts';

export class Census {
  cases = 0;
  readonly refusals: Refusals = new Map();
  readonly #seen = new Map<string, number>();

  /** Counts each thing once a workflow, by what really happened on the engine's side. */
  add(scenario: Scenario, { engine }: Comparison): void {
    this.cases += 1;
    if (engine === null) return;
    const seen = new Set<string>();
    for (const thing of written(engine.program)) seen.add(thing);
    for (const thing of happened(engine)) seen.add(thing);
    if (Object.keys(scenario.world?.away ?? {}).length > 0) seen.add('world: a part is away');
    for (const thing of seen) this.#seen.set(thing, (this.#seen.get(thing) ?? 0) + 1);
  }

  share(thing: string): number {
    return this.cases === 0 ? 0 : (this.#seen.get(thing) ?? 0) / this.cases;
  }

  table(): string {
    const lines = [...this.#seen]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([thing, times]) => {
        const percent = ((100 * times) / this.cases).toFixed(1).padStart(5);
        return `${percent} %  ${String(times).padStart(6)}  ${thing}`;
      });
    for (const [code, times] of this.refusals) {
      lines.push(`         ${String(times).padStart(6)}  written anew: ${code}`);
    }
    return lines.join('\n');
  }
}

function* written(program: Program): Generator<string> {
  if (program.root.barriers.length > 0) yield 'graph: not series-parallel';
  for (const step of allSteps(program.root)) {
    yield `type: ${step.type}`;
    if (step.dependsOn.length > 0) yield `trigger: ${step.trigger}`;
    if (step.when !== null) yield 'written: when';
    if ('retry' in step && step.retry.maxAttempts > 0) yield 'written: retry';
    if ('result' in step && step.result !== null) yield 'written: result';
    if (step.compensate !== null) yield `compensate: ${step.compensate.type}`;
    if (step.continueOnFailure) yield 'written: continue_on_failure';
    const depth = step.path.split('.').length;
    if (depth > 1) yield `nesting: ${depth - 1}`;
    for (const kind of textsIn(step)) yield kind;
  }
}

function* textsIn(step: Step): Generator<string> {
  const templates = 'config' in step ? [step.config] : 'value' in step ? [step.value] : [];
  for (const template of templates) {
    if (JSON.stringify(template).includes('"kind":"text"'))
      yield 'written: text around expressions';
    for (const { simple } of expressionsOf(template)) {
      yield simple ? 'expression: simple' : 'expression: of the evaluator';
    }
  }
}

function* happened(run: RunResult): Generator<string> {
  const { report, state } = run.root;
  yield `outcome: ${report.status}`;
  if (report.status === 'FAILED') yield `outcome: compensation ${report.compensation}`;
  if (report.error?.step === undefined && report.error !== null) yield 'outcome: output failed';
  if (state.startedAt !== state.endedAt) yield 'outcome: takes time';
  for (const { executionId, key } of run.calls) {
    if (key.startsWith('undo:')) yield 'happened: an undo was called';
    if (executionId !== run.rootId) yield 'happened: a child called out';
  }
  if (state.retryOf !== null) yield 'happened: a retry of the execution';
  if (Object.keys(state.carried ?? {}).length > 0) yield 'happened: results were carried over';
  if (run.executions.size > (state.retryOf === null ? 1 : 2)) yield 'happened: a child ran';
  if (run.executions.size > 4) yield 'happened: children nest to the limit';
  for (const { report: of, events } of run.executions.values()) {
    if (of.status === 'CANCELLED') yield 'happened: a child was not waited for any longer';
    for (const { event } of events) {
      if (event.type === 'step_retry_scheduled') yield `error: ${event.error.code}`;
    }
    for (const [key, step] of Object.entries(of.steps)) {
      yield `class: ${step.class}`;
      if (step.reason !== null) yield `reason: ${step.reason}`;
      if (step.error !== null) yield `error: ${step.error.code}`;
      if (step.attempts > 1) yield 'happened: a retry';
      if (step.attempts > 1 && step.status === 'SUCCESS') yield 'happened: a retry helped';
      if (/\[[0-9,]*[1-9]/.test(key)) yield 'happened: a second iteration';
    }
  }
}
