import type { EvaluationResult } from '#core/expr/outcome.ts';
import { parseSource } from '#core/expr/parse.ts';
import type { Bindings, SimpleProgram } from '#core/expr/simple.ts';
import { compileSimple } from '#core/expr/simple.ts';
import type { Expression } from '#core/plan/program.ts';

/** Closures by expression object: programs are kept in memory, so this is one look-up per call. */
const compiled = new WeakMap<object, SimpleProgram>();

/** Closures by source, for expression objects that came from a store once more. */
const bySource = new Map<string, SimpleProgram>();
const MAX_SOURCES = 2_000;

/**
 * Evaluates an expression whose `simple` is true, here and now. The answer is the one that the
 * evaluator process would give. Calling it for another expression is our own mistake and throws.
 */
export function evaluateSimple(
  expression: Pick<Expression, 'source' | 'simple'>,
  bindings: Bindings,
): EvaluationResult {
  let program = compiled.get(expression);
  if (program === undefined) {
    program = programFor(expression.source);
    compiled.set(expression, program);
  }
  return program.run(bindings);
}

function programFor(source: string): SimpleProgram {
  const known = bySource.get(source);
  if (known !== undefined) return known;
  const parsed = parseSource(source, 'portable');
  const program = parsed.ok ? compileSimple(parsed.ast) : null;
  if (program === null) throw new TypeError('the expression is not simple');
  if (bySource.size >= MAX_SOURCES) {
    const [oldest] = bySource.keys();
    if (oldest !== undefined) bySource.delete(oldest);
  }
  bySource.set(source, program);
  return program;
}
