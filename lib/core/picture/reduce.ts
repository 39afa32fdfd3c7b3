import type { Scope, Step } from '#core/plan/program.ts';

/**
 * The edges a person needs to see: dependencies without those that others imply (a to c is not drawn
 * when a leads to b and b to c). Pairs of positions in `Scope.steps`, in the author's order.
 */
export function visibleEdges(scope: Scope): readonly (readonly [number, number])[] {
  const ancestors = ancestorsOf(scope);
  return scope.steps.flatMap((step) =>
    step.dependsOn
      .filter((from) => !step.dependsOn.some((via) => via !== from && ancestors[via]?.has(from)))
      .map((from) => [from, step.index] as const),
  );
}

/** Steps so that each comes after its dependencies, otherwise in the author's order. */
export function topological(scope: Scope): readonly Step[] {
  return [...scope.steps].sort((a, b) => a.no - b.no);
}

function ancestorsOf(scope: Scope): ReadonlySet<number>[] {
  const ancestors: Set<number>[] = scope.steps.map(() => new Set());
  for (const step of topological(scope)) {
    const own = ancestors[step.index] as Set<number>;
    for (const from of step.dependsOn) {
      own.add(from);
      for (const above of ancestors[from] ?? []) own.add(above);
    }
  }
  return ancestors;
}
