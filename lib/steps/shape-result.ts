import type { StepError } from '#core/errors.ts';
import { compensationRecord } from '#core/execution/complete.ts';
import { oversize } from '#core/execution/decision.ts';
import {
  type Evaluated,
  outside,
  required,
  type Values,
  valuesOf,
} from '#core/execution/evaluation.ts';
import type { CompensationRecord } from '#core/execution/events.ts';
import { failures } from '#core/execution/failures.ts';
import { isJsonObject, type Json, type JsonObject } from '#core/json.ts';
import { type Expression, expressionsOf, type Step } from '#core/plan/program.ts';
import type { Evaluator } from '#ports/evaluator.ts';

/** Values that the expressions of a step may read, without the dollar sign. */
export type Bindings = { readonly [name: string]: Json };

export type Shaped =
  | {
      readonly ok: true;
      readonly output: Json;
      readonly compensation: CompensationRecord | null;
    }
  | { readonly ok: false; readonly error: StepError };

/**
 * From a raw result to what is recorded: the `result` expression, the size budget, and the arguments
 * that would undo the step. The same for connectors, answered callbacks and approvals, and children.
 */
export async function shapeResult(
  evaluator: Evaluator,
  shaping: {
    readonly tenant: string;
    readonly step: Step;
    readonly attempt: number;
    readonly bindings: Bindings;
    readonly raw: Json;
  },
): Promise<Shaped> {
  const { tenant, step, bindings, raw } = shaping;
  const result = 'result' in step ? step.result : null;
  let output = raw;
  if (result !== null) {
    const sees = { ...bindings, result: raw };
    const values = await evaluateAll(evaluator, tenant, [result], sees);
    const shaped = required(result, values);
    if (!shaped.ok) return failed(failures.expression(shaped.message));
    output = shaped.value;
  }
  const tooLarge = oversize(step, output);
  if (tooLarge !== null) return failed(tooLarge);
  return { ok: true, output, compensation: await undoOf(evaluator, shaping, output) };
}

/** Rule 31: no value is null; an error makes the record bad and does not fail the step. */
async function undoOf(
  evaluator: Evaluator,
  shaping: {
    readonly tenant: string;
    readonly step: Step;
    readonly attempt: number;
    readonly bindings: Bindings;
  },
  output: Json,
): Promise<CompensationRecord | null> {
  const { step, bindings } = shaping;
  if (step.compensate === null) return null;
  const self: JsonObject = { status: 'SUCCESS', output, error: null, attempts: shaping.attempt };
  const others = isJsonObject(bindings['steps'] ?? null) ? (bindings['steps'] as JsonObject) : {};
  const sees = { ...bindings, steps: { ...others, [step.id]: self } };
  const expressions = [...expressionsOf(step.compensate.config)];
  const values = await evaluateAll(evaluator, shaping.tenant, expressions, sees);
  return compensationRecord(step.compensate, values);
}

/** Simple expressions here, all others in one round trip to the evaluator. */
export async function evaluateAll(
  evaluator: Evaluator,
  tenant: string,
  expressions: readonly Expression[],
  bindings: Bindings,
): Promise<Values> {
  const asked = outside(expressions);
  const results: readonly Evaluated[] =
    asked.length === 0
      ? []
      : await evaluator.evaluate({
          tenant,
          expressions: asked.map(({ source }) => source),
          bindings: onlyRead(asked, bindings),
          dialect: 'portable',
        });
  return valuesOf(asked, results, () => bindings);
}

/** Of the bindings only what the expressions read: the rest would travel for nothing. */
function onlyRead(expressions: readonly Expression[], bindings: Bindings): Bindings {
  const names = new Set<string>(expressions.flatMap(({ names }) => names));
  const ids = new Set(expressions.flatMap(({ steps }) => steps));
  const read: { [name: string]: Json } = {};
  for (const name of names) if (bindings[name] !== undefined) read[name] = bindings[name];
  const steps = bindings['steps'] ?? null;
  if (ids.size > 0 && isJsonObject(steps)) {
    read['steps'] = Object.fromEntries(Object.entries(steps).filter(([id]) => ids.has(id)));
  }
  return read;
}

function failed(error: StepError): Shaped {
  return { ok: false, error };
}
