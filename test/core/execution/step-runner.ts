import { bindingsOf } from '#core/execution/bindings.ts';
import type { Outcome } from '#core/execution/commands.ts';
import { compensationRecord } from '#core/execution/complete.ts';
import type { Evaluated, Values } from '#core/execution/evaluation.ts';
import { outside, required, valuesOf } from '#core/execution/evaluation.ts';
import { failures } from '#core/execution/failures.ts';
import { indexOf, placeOf } from '#core/execution/program-index.ts';
import type { ExecutionState } from '#core/execution/state.ts';
import type { Json } from '#core/json.ts';
import type { Expression, Program } from '#core/plan/program.ts';
import { expressionsOf } from '#core/plan/program.ts';
import { evaluate } from '#test/core/expr/support.ts';

/**
 * What the step runner of a host makes of a raw result: the shaped output and the arguments of the
 * compensation. Small, and for tests: the real one is in lib/steps.
 */
export async function succeeded(
  program: Program,
  state: ExecutionState,
  key: string,
  attempt: number,
  raw: Json,
): Promise<Extract<Outcome, { kind: 'call_succeeded' | 'call_failed' }>> {
  const { step } = placeOf(indexOf(program), key).info;
  let output = raw;
  if ('result' in step && step.result !== null) {
    const shape = step.result;
    const bindings = { ...bindingsOf(program, state, key, [shape]), result: raw };
    const shaped = required(shape, await valuesFor([shape], bindings));
    if (!shaped.ok) {
      const error = failures.expression(shaped.message);
      return { kind: 'call_failed', step: key, attempt, error };
    }
    output = shaped.value;
  }
  if (step.compensate === null) {
    return { kind: 'call_succeeded', step: key, attempt, output, compensation: null };
  }
  const expressions = [...expressionsOf(step.compensate.config)];
  const self = { status: 'SUCCESS', output, error: null, attempts: attempt };
  const bindings = bindingsOf(program, state, key, expressions);
  const steps = { ...(bindings['steps'] as object | undefined), [step.id]: self };
  const values = await valuesFor(expressions, { ...bindings, steps });
  const compensation = compensationRecord(step.compensate, values);
  return { kind: 'call_succeeded', step: key, attempt, output, compensation };
}

async function valuesFor(
  expressions: readonly Expression[],
  bindings: { readonly [name: string]: Json },
): Promise<Values> {
  const asked = outside(expressions);
  const results = await evaluateAll(
    asked.map(({ source }) => source),
    bindings,
  );
  return valuesOf(asked, results, () => bindings);
}

const answers = new Map<string, Evaluated>();

/** As the evaluator would. Answers are kept: a thousand runs ask the same small questions. */
export async function evaluateAll(
  sources: readonly string[],
  bindings: { readonly [name: string]: Json },
): Promise<Evaluated[]> {
  const results: Evaluated[] = [];
  const seen = JSON.stringify(bindings);
  for (const source of sources) {
    const question = `${source}\n${seen}`;
    const result = answers.get(question) ?? (await evaluate(source, bindings));
    if (answers.size > 20_000) answers.clear();
    answers.set(question, result);
    results.push(result);
  }
  return results;
}
