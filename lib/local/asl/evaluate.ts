/**
 * Questions to the evaluator: the templates of one moment of a state, all over the same bindings,
 * in one call.
 */
import type { Json, JsonObject } from '#core/json.ts';
import type { EvaluationResult, Evaluator } from '#ports/evaluator.ts';
import type { Template, TemplateExpression } from './machine.ts';
import { fillTemplate } from './template.ts';

export interface Ask {
  readonly templates: readonly Template[];
  readonly states: JsonObject;
  /** Looked up only for names that the expressions hold: variables may be megabytes. */
  readonly variable: (name: string) => Json | undefined;
}

export type Filled =
  | { readonly ok: true; readonly value: Json }
  | { readonly ok: false; readonly location: string; readonly cause: string };

/** True when the answer needs no evaluator. */
export function isConstant(ask: Ask): boolean {
  return ask.templates.every(({ expressions }) => expressions.length === 0);
}

export function constantAnswer(ask: Ask): Filled[] {
  return ask.templates.map(({ json }) => ({ ok: true, value: json }));
}

/**
 * One answer per template, each with its first failure. Rejects only when no evaluator can be had.
 */
export async function answer(ask: Ask, evaluator: Evaluator, tenant: string): Promise<Filled[]> {
  const expressions = ask.templates.flatMap((template) => template.expressions);
  const sources = expressions.map(({ source }) => source);
  const results = await evaluator.evaluate({
    tenant,
    expressions: sources,
    bindings: bindingsFor(ask, sources),
    dialect: 'aws',
  });
  if (results.length !== expressions.length) {
    throw new Error(
      `the evaluator answered ${results.length} of ${expressions.length} expressions`,
    );
  }
  let at = 0;
  return ask.templates.map((template): Filled => {
    const own = results.slice(at, at + template.expressions.length);
    at += template.expressions.length;
    const values: Json[] = [];
    for (const [index, result] of own.entries()) {
      const expression = template.expressions[index] as TemplateExpression;
      if (result.ok && result.value !== undefined) values.push(result.value);
      else {
        return { ok: false, location: expression.location, cause: causeOf(expression, result) };
      }
    }
    return { ok: true, value: fillTemplate(template, values) };
  });
}

function causeOf({ source, location }: TemplateExpression, result: EvaluationResult): string {
  const what = `The JSONata expression '${source}' specified for the field '${location}'`;
  if (result.ok) return `${what} returned nothing (undefined).`;
  if (result.reason === 'not_json') return `${what} returned an unsupported result type.`;
  return `${what} threw an error during evaluation. ${result.message}`;
}

/** A superset of the names in the texts is enough; JSONata has no way to make a name at run time. */
function bindingsFor(ask: Ask, sources: readonly string[]): Record<string, Json> {
  const bindings: Record<string, Json> = { states: ask.states };
  for (const source of sources) {
    for (const [, name] of source.matchAll(/\$([\p{ID_Start}_][\p{ID_Continue}]*)/gu)) {
      if (name === undefined || name === 'states' || Object.hasOwn(bindings, name)) continue;
      const value = ask.variable(name);
      if (value !== undefined) bindings[name] = value;
    }
  }
  return bindings;
}
