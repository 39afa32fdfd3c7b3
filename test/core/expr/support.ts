import { createHash, randomUUID } from 'node:crypto';
import type { ExpressionHost } from '#core/expr/function-context.ts';
import { createJsonata } from '#core/expr/jsonata.ts';
import type { Dialect } from '#core/expr/limits.ts';
import type { EvaluationResult } from '#core/expr/outcome.ts';
import type { Bindings } from '#core/expr/simple.ts';

export const host: ExpressionHost = {
  hash: (algorithm, text) =>
    createHash(algorithm.replace('-', '').toLowerCase()).update(text, 'utf8').digest('hex'),
  base64Encode: (text) => Buffer.from(text, 'utf8').toString('base64'),
  base64Decode: (text) => Buffer.from(text, 'base64').toString('utf8'),
  now: () => Date.UTC(2026, 0, 2, 3, 4, 5),
  uuid: () => randomUUID(),
  random: () => 0.5,
};

/** Evaluates with the full evaluator in this process. */
export async function evaluate(
  source: string,
  bindings: Bindings = {},
  dialect: Dialect = 'portable',
): Promise<EvaluationResult> {
  const created = createJsonata(source, dialect, {
    host,
    deadline(ms) {
      const end = performance.now() + ms;
      return () => performance.now() > end;
    },
  });
  return created.ok ? await created.expression.evaluate(bindings, 2_000) : created.result;
}
