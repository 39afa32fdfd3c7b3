import { LRUCache } from 'lru-cache';
import type { EvaluationRequest } from '#ports/evaluator.ts';

/** Remembers which expressions of a tenant were not quick, so that they need not try again. */
export interface SlowSources {
  /** The expression at `index` of the request was not quick. */
  add(request: EvaluationRequest, index: number): void;
  /** The request's expressions were quick after all. */
  forget(request: EvaluationRequest): void;
  /** Whether any expression of the request is known to be slow. */
  knows(request: EvaluationRequest): boolean;
}

/** Characters of sources that are remembered; the longest unused are forgotten first. */
const KNOWN_CHARS = 2_000_000;

export function createSlowSources(): SlowSources {
  const known = new LRUCache<string, true>({
    maxSize: KNOWN_CHARS,
    sizeCalculation: (_, key) => key.length,
  });
  return {
    add(request, index) {
      const source = request.expressions[index];
      if (source !== undefined) known.set(keyOf(request, source), true);
    },
    forget(request) {
      for (const source of request.expressions) known.delete(keyOf(request, source));
    },
    knows(request) {
      if (known.size === 0) return false;
      return request.expressions.some((source) => known.has(keyOf(request, source)));
    },
  };
}

function keyOf({ tenant, dialect }: EvaluationRequest, source: string): string {
  return `${tenant} ${dialect} ${source}`;
}
