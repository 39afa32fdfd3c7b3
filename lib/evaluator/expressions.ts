import { LRUCache } from 'lru-cache';
import type { EvaluationOptions, FullResult } from '#core/expr/jsonata.ts';
import { createJsonata } from '#core/expr/jsonata.ts';
import type { Dialect } from '#core/expr/limits.ts';
import type { EvaluationResult } from '#core/expr/outcome.ts';
import type { Bindings } from '#core/expr/simple.ts';

/** Parsed expressions, kept by source. One evaluation at a time: callers run them in turn. */
export interface Expressions {
  /** Gives up after `budgetMs` with the reason `wall_clock`. */
  evaluate(
    source: string,
    dialect: Dialect,
    bindings: Bindings,
    budgetMs: number,
  ): Promise<EvaluationResult>;
}

/** Characters of source whose trees are kept; a tree takes some fifty times its source. */
const CACHED_CHARS = 400_000;

export function createExpressions(options: EvaluationOptions): Expressions {
  const cache = new LRUCache<string, FullResult>({
    max: 2_000,
    maxSize: CACHED_CHARS,
    sizeCalculation: (_, key) => key.length,
  });
  return {
    async evaluate(source, dialect, bindings, budgetMs) {
      const key = `${dialect} ${source}`;
      let found = cache.get(key);
      if (found === undefined) {
        found = createJsonata(source, dialect, options);
        cache.set(key, found);
      }
      return found.ok ? await found.expression.evaluate(bindings, budgetMs) : found.result;
    },
  };
}
