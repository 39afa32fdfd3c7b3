import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createGraph, type Graph, has } from '#core/plan/graph.ts';
import type { SeriesParallel } from '#core/plan/program.ts';
import { type Decomposition, decompose } from '#core/plan/series-parallel.ts';

const EVEN = (size: number) => ({
  slow: new Array<boolean>(size).fill(false),
  durations: new Array<number>(size).fill(1),
});

function graphOf(dependsOn: readonly (readonly number[])[]): Graph {
  const graph = createGraph(dependsOn);
  if (graph === null) throw new Error('a cycle');
  return graph;
}

function leaves(tree: SeriesParallel): number[] {
  return tree.kind === 'leaf' ? [tree.step] : tree.of.flatMap(leaves);
}

/** Pairs `a,b` where the tree puts a before b. */
function ordersOf(tree: SeriesParallel): Set<string> {
  const orders = new Set<string>();
  const visit = (node: SeriesParallel): void => {
    if (node.kind === 'leaf') return;
    node.of.forEach(visit);
    if (node.kind === 'parallel') return;
    const parts = node.of.map(leaves);
    for (const [i, before] of parts.entries()) {
      for (const after of parts.slice(i + 1)) {
        for (const a of before) for (const b of after) orders.add(`${a},${b}`);
      }
    }
  };
  visit(tree);
  return orders;
}

function ordersOfGraph(graph: Graph): Set<string> {
  const orders = new Set<string>();
  for (let a = 0; a < graph.size; a++) {
    for (let b = 0; b < graph.size; b++) if (has(graph.ancestors[b]!, a)) orders.add(`${a},${b}`);
  }
  return orders;
}

/** Graphs with edges from lower to higher numbers, shuffled by author's order. */
const dags = (size: number, density: number) =>
  fc.integer({ min: 1, max: size }).chain((n) =>
    fc
      .array(
        fc
          .boolean()
          .chain((b) =>
            fc.double({ min: 0, max: 1, noNaN: true }).map((x) => b && x < density * 2),
          ),
        {
          minLength: (n * (n - 1)) / 2,
          maxLength: (n * (n - 1)) / 2,
        },
      )
      .map((edges) => {
        let at = 0;
        return Array.from({ length: n }, (_, i) =>
          Array.from({ length: i }, (_, j) => j).filter(() => edges[at++] === true),
        );
      }),
  );

/** Series-parallel by construction: its orders, as full dependency lists. */
const trees: fc.Arbitrary<SeriesParallel> = fc.letrec<{ tree: SeriesParallel }>((tie) => ({
  tree: fc.oneof(
    { maxDepth: 4 },
    fc.constant<SeriesParallel>({ kind: 'leaf', step: 0 }),
    fc.record({
      kind: fc.constantFrom('series' as const, 'parallel' as const),
      of: fc.array(tie('tree'), { minLength: 2, maxLength: 4 }),
    }),
  ),
})).tree;

function numbered(tree: SeriesParallel, next = { step: 0 }): SeriesParallel {
  return tree.kind === 'leaf'
    ? { kind: 'leaf', step: next.step++ }
    : { kind: tree.kind, of: tree.of.map((part) => numbered(part, next)) };
}

/** P3: what the tree orders beyond the graph follows from the added pairs. */
function withBarriers(graph: Graph, { barriers }: Decomposition): Set<string> {
  const dependsOn = graph.dependsOn.map((list) => [...list]);
  for (const { added } of barriers) for (const [a, b] of added) dependsOn[b]?.push(a);
  return ordersOfGraph(graphOf(dependsOn));
}

describe('decompose', () => {
  it('P1, P3: keeps every order of the graph and adds only what its barriers say', () => {
    fc.assert(
      fc.property(
        dags(24, 0.15),
        fc.array(fc.boolean(), { minLength: 24, maxLength: 24 }),
        (dependsOn, slow) => {
          const graph = graphOf(dependsOn);
          const found = decompose(graph, { slow, durations: dependsOn.map((_, i) => 1 + (i % 5)) });
          const orders = ordersOf(found.tree);
          expect(leaves(found.tree).sort((a, b) => a - b)).toEqual(dependsOn.map((_, i) => i));
          for (const order of ordersOfGraph(graph)) expect(orders).toContain(order);
          expect(orders).toEqual(withBarriers(graph, found));
        },
      ),
      { numRuns: 150 },
    );
  });

  it('P2: gives exactly the order of a series-parallel graph, without barriers', () => {
    fc.assert(
      fc.property(trees, (shape) => {
        const tree = numbered(shape);
        const size = leaves(tree).length;
        const dependsOn: number[][] = Array.from({ length: size }, () => []);
        for (const order of ordersOf(tree)) {
          const [a, b] = order.split(',').map(Number);
          dependsOn[b!]?.push(a!);
        }
        const found = decompose(graphOf(dependsOn), EVEN(size));
        expect(found.barriers).toEqual([]);
        expect(ordersOf(found.tree)).toEqual(ordersOf(tree));
      }),
      { numRuns: 200 },
    );
  });

  it('P4: the same graph gives the same tree', () => {
    const dependsOn = [[], [], [0, 1], [1], [2], [3, 0]];
    const once = decompose(graphOf(dependsOn), EVEN(6));
    expect(decompose(graphOf(dependsOn), EVEN(6))).toEqual(once);
  });

  it('puts a human behind as few steps as it can', () => {
    // a; ask(a); b(a); c(ask, b); d(b): the shortest path alone would let d wait for the human.
    const graph = graphOf([[], [0], [0], [1, 2], [2]]);
    const slow = [false, true, false, false, false];
    const { tree, barriers } = decompose(graph, { slow, durations: [1, 100, 1, 1, 1] });
    expect(ordersOf(tree)).not.toContain('1,4');
    expect(barriers).toEqual([expect.objectContaining({ added: [[4, 3]], slow: [] })]);
  });

  it('names the pairs where a step has to wait for a human', () => {
    // An N of four humans: whichever way it is cut, one waits for another.
    const graph = graphOf([[], [], [0, 1], [1]]);
    const { barriers } = decompose(graph, {
      slow: [true, true, true, true],
      durations: [10, 10, 1, 1],
    });
    expect(barriers.flatMap(({ slow }) => slow)).toEqual([[0, 3]]);
  });

  it('keeps its invariants on a hundred nodes', () => {
    fc.assert(
      fc.property(fc.integer(), fc.constantFrom(0.01, 0.03, 0.1, 0.3), (seed, density) => {
        let state = seed >>> 0;
        const next = () => {
          state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
          return state / 2 ** 32;
        };
        const dependsOn = Array.from({ length: 100 }, (_, i) =>
          Array.from({ length: i }, (_, j) => j).filter(() => next() < density),
        );
        const graph = graphOf(dependsOn);
        const found = decompose(graph, EVEN(100));
        const orders = ordersOf(found.tree);
        for (const order of ordersOfGraph(graph))
          if (!orders.has(order)) expect(order).toBe('kept');
        expect(orders.size).toBe(withBarriers(graph, found).size);
      }),
      { numRuns: 8 },
    );
  });
});
