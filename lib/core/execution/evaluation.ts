import type { StepError } from '#core/errors.ts';
import { evaluateSimple } from '#core/expr/evaluate-simple.ts';
import { concatenate } from '#core/expr/operators.ts';
import type { Json } from '#core/json.ts';
import { canonicalJson } from '#core/json.ts';
import type { Expression, Template } from '#core/plan/program.ts';
import type { Outcome } from './commands.ts';
import { failures } from './failures.ts';

/**
 * How expressions and templates get their values. Simple expressions are evaluated here; the values
 * of all others come from the evaluator in one round trip per moment of evaluation.
 *
 * V1 Which expressions go out, and in which order, is a function of the program: `outside`.
 * V2 An expression in a template must yield a value; a part between text must be a string, a number
 *    or a boolean (rule 13). Numbers that IEEE doubles cannot hold exactly as integers are refused.
 */
export type Evaluated =
  | { readonly ok: true; readonly value?: Json }
  /** `unfit`: there is a value, and rules 13 and 14 do not let it be kept. */
  | { readonly ok: false; readonly message: string; readonly unfit?: true };

/** Values by expression; evaluates simple ones when asked and not before. */
export type Values = (expression: Expression) => Evaluated;

type Results = Extract<Outcome, { kind: 'evaluated' }>['results'];

/** The expressions that only the evaluator can compute, each source once. */
export function outside(expressions: Iterable<Expression>): Expression[] {
  const found = new Map<string, Expression>();
  for (const expression of expressions) {
    if (!expression.simple && !found.has(expression.source)) {
      found.set(expression.source, expression);
    }
  }
  return [...found.values()];
}

/**
 * Values for expressions whose outside ones have the given results. `bindings` is asked for only
 * where a simple expression is evaluated.
 */
export function valuesOf(
  asked: readonly Expression[],
  results: Results,
  bindings: (expression: Expression) => Parameters<typeof evaluateSimple>[1],
): Values {
  const known = new Map<string, Evaluated>();
  for (const [i, expression] of asked.entries()) {
    const result = results[i];
    known.set(
      expression.source,
      result === undefined
        ? { ok: false, message: 'the evaluator gave no answer' }
        : checked(result),
    );
  }
  return (expression) => {
    if (expression.simple) return evaluateSimple(expression, bindings(expression));
    return known.get(expression.source) ?? { ok: false, message: 'was not evaluated' };
  };
}

/** Refuses numbers that the language has not (rule 13). */
function checked(result: Evaluated): Evaluated {
  if (!result.ok || result.value === undefined || !hasForeignNumber(result.value)) return result;
  return {
    ok: false,
    unfit: true,
    message: 'the value holds a number that is not finite or an integer beyond 9007199254740991',
  };
}

function hasForeignNumber(value: Json): boolean {
  if (typeof value === 'number') {
    return !Number.isFinite(value) || (Number.isInteger(value) && !Number.isSafeInteger(value));
  }
  if (typeof value !== 'object' || value === null) return false;
  if (Array.isArray(value)) return value.some(hasForeignNumber);
  for (const key in value) {
    if (hasForeignNumber((value as { readonly [key: string]: Json })[key] as Json)) return true;
  }
  return false;
}

/** What a condition says (rule 9). */
export type Condition = 'true' | 'false' | 'other';

/**
 * A condition is asked for nothing but whether it is true, and its value is not kept: so one that no
 * template could hold is just another value that is neither true nor false.
 */
export function tested(
  value: Evaluated,
):
  | { readonly ok: true; readonly is: Condition }
  | { readonly ok: false; readonly error: StepError } {
  if (!value.ok && value.unfit !== true) {
    return { ok: false, error: failures.expression(value.message) };
  }
  if (!value.ok || typeof value.value !== 'boolean') return { ok: true, is: 'other' };
  return { ok: true, is: value.value ? 'true' : 'false' };
}

/** The value of an expression that stands for itself, as `result` does: there must be one. */
export function required(expression: Expression, values: Values): Rendered {
  const result = values(expression);
  if (!result.ok) return result;
  return result.value === undefined ? noValue(expression) : { ok: true, value: result.value };
}

export type Rendered =
  | { readonly ok: true; readonly value: Json }
  | { readonly ok: false; readonly message: string };

/** Fills a template. `absent` says what an expression without a value stands for. */
export function render(
  template: Template,
  values: Values,
  absent: 'error' | 'null' = 'error',
): Rendered {
  const one = template.kind === 'literal' || template.kind === 'expression';
  return fill(template, one ? values : within(TEMPLATE_CHARACTERS, values), absent);
}

/** Characters of JSON that all values in one template may have (rule 14): each has its own bound. */
export const TEMPLATE_CHARACTERS = 1_048_576;

/** The same values, until they are more than that together. */
function within(characters: number, values: Values): Values {
  let left = characters;
  return (expression) => {
    const result = values(expression);
    if (!result.ok || result.value === undefined) return result;
    left -= charactersOf(result.value);
    if (left >= 0) return result;
    return { ok: false, message: `the values have more than ${characters} characters together` };
  };
}

function charactersOf(value: Json): number {
  if (typeof value === 'string') return value.length;
  return typeof value === 'object' ? JSON.stringify(value).length : 1;
}

function fill(template: Template, values: Values, absent: 'error' | 'null'): Rendered {
  switch (template.kind) {
    case 'literal':
      return { ok: true, value: template.value };
    case 'expression': {
      if (absent === 'error') return required(template.expression, values);
      const result = values(template.expression);
      return result.ok ? { ok: true, value: result.value ?? null } : result;
    }
    case 'text':
      return renderText(template.parts, values);
    case 'array': {
      const items: Json[] = [];
      for (const item of template.items) {
        const rendered = fill(item, values, absent);
        if (!rendered.ok) return rendered;
        items.push(rendered.value);
      }
      return { ok: true, value: items };
    }
    case 'object': {
      const members: [string, Json][] = [];
      for (const [key, member] of template.members) {
        const rendered = fill(member, values, absent);
        if (!rendered.ok) return rendered;
        members.push([key, rendered.value]);
      }
      return { ok: true, value: Object.fromEntries(members) };
    }
  }
}

function renderText(parts: readonly (string | Expression)[], values: Values): Rendered {
  let text = '';
  for (const part of parts) {
    if (typeof part === 'string') {
      text += part;
      continue;
    }
    const result = required(part, values);
    if (!result.ok) return result;
    const { value } = result;
    if (typeof value === 'object') {
      return {
        ok: false,
        message: `'${part.source}' yields ${kindOf(value)}; text takes a string, a number or a boolean`,
      };
    }
    text += concatenate('', value);
  }
  return { ok: true, value: text };
}

function noValue(expression: Expression): Rendered {
  return { ok: false, message: `'${expression.source}' yields no value` };
}

function kindOf(value: Json): string {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'an array' : 'an object';
}

/** The text of a value for a message: strings as they are. */
export function messageOf(value: Json): string {
  if (value === null) return '';
  return typeof value === 'string' ? value : canonicalJson(value);
}
