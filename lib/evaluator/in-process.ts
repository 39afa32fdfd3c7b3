import { CloudFlowError } from '#core/errors.ts';
import type { EvaluationResult } from '#core/expr/outcome.ts';
import { createExpressions } from '#evaluator/expressions.ts';
import { createNodeHost } from '#evaluator/host.ts';
import type { Clock } from '#ports/clock.ts';
import type { Evaluator } from '#ports/evaluator.ts';

/**
 * Evaluates in this process: for tests and for files of one's own (`asl run`). It gives the answers
 * of the pool but none of its walls: a hostile expression can stop this process.
 */
export function createInProcessEvaluator(
  options: {
    /** Business time, for `$now` and `$millis` of the Step Functions dialect; they fail without. */
    readonly clock?: Pick<Clock, 'now'>;
    readonly timeoutMs?: number;
  } = {},
): Evaluator {
  const expressions = createExpressions({
    host: createNodeHost(() => options.clock?.now() ?? null),
    deadline(ms) {
      const end = performance.now() + ms;
      return () => performance.now() > end;
    },
  });
  const budgetMs = options.timeoutMs ?? 2_000;
  let closed = false;
  let last: Promise<unknown> = Promise.resolve();
  return {
    evaluate(request) {
      if (closed)
        return Promise.reject(new CloudFlowError('UNAVAILABLE', 'the evaluator is closed'));
      const work = last.then(async () => {
        const results: EvaluationResult[] = [];
        // As on the way to a process: no object is shared, not even between two bindings, since
        // JSONata's `in` compares objects by identity.
        const bindings = JSON.parse(JSON.stringify(request.bindings)) as typeof request.bindings;
        for (const source of request.expressions) {
          results.push(await expressions.evaluate(source, request.dialect, bindings, budgetMs));
        }
        return results;
      });
      last = work.catch(() => undefined); // the caller has it; the next in line must not
      return work;
    },
    async close() {
      closed = true;
      await last;
    },
  };
}
