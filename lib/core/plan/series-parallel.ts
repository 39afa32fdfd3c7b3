import {
  addAll,
  type Bits,
  bitsFor,
  countOf,
  countWithout,
  type Graph,
  has,
  membersOf,
  set,
} from '#core/plan/graph.ts';
import type { Barrier, SeriesParallel } from '#core/plan/program.ts';

// Owns:    the series-parallel form of a graph, and where it needs barriers.
// Invariants
//   P1 the tree orders a before b wherever the graph does
//   P2 where the graph is series-parallel, the tree orders nothing else and there are no barriers
//   P3 every order that the tree adds follows from the added pairs of its barriers
//   P4 the same graph, slowness and durations give the same tree
//
// A set of steps splits into parts that nothing connects (parallel), else into parts of which each
// is wholly before the next (series), else it holds an N and a barrier is put behind one of its
// down-sets. Which one: fewest steps that come to wait for a slow step they do not depend on, then
// the shortest critical path, then the fewest added orders.

export interface Decomposition {
  readonly tree: SeriesParallel;
  readonly barriers: readonly Barrier[];
}

/** What the choice of barriers weighs, by node. */
export interface Weights {
  readonly slow: readonly boolean[];
  /** Estimated milliseconds. */
  readonly durations: readonly number[];
}

/** Up to here every way of cutting is tried to the end; beyond, the best cut is taken as it comes. */
const LOOK_AHEAD = 14;
/** Look-ahead visits at most this many sets in one graph; after that cuts are taken as they come. */
const LOOK_AHEAD_VISITS = 400;
/** Beyond this only cuts between levels are candidates. */
const LEVELS_ONLY = 40;

export function decompose(graph: Graph, weights: Weights): Decomposition {
  if (graph.size === 0) return { tree: { kind: 'series', of: [] }, barriers: [] };
  const all = bitsFor(graph.size);
  for (let i = 0; i < graph.size; i++) set(all, i);
  const { tree, barriers } = new Decomposer(graph, weights).solve(all);
  return { tree, barriers };
}

interface Solution {
  readonly tree: SeriesParallel;
  readonly barriers: readonly Barrier[];
  readonly slowPairs: number;
  readonly makespan: number;
  readonly added: number;
}

class Decomposer {
  readonly #graph: Graph;
  readonly #weights: Weights;
  readonly #memo = new Map<string, Solution>();
  /** Position in the topological order, by node. */
  readonly #rank: readonly number[];
  #visits = 0;

  constructor(graph: Graph, weights: Weights) {
    this.#graph = graph;
    this.#weights = weights;
    const rank: number[] = new Array(graph.size).fill(0);
    for (const [position, node] of graph.order.entries()) rank[node] = position;
    this.#rank = rank;
  }

  solve(within: Bits): Solution {
    const key = within.join();
    const known = this.#memo.get(key);
    if (known !== undefined) return known;
    const solution = this.#solve(within);
    this.#memo.set(key, solution);
    return solution;
  }

  #solve(within: Bits): Solution {
    const nodes = membersOf(within);
    const [only] = nodes;
    if (only !== undefined && nodes.length === 1) {
      const makespan = this.#weights.durations[only] ?? 0;
      return { tree: { kind: 'leaf', step: only }, barriers: [], slowPairs: 0, makespan, added: 0 };
    }
    const apart = this.#components(within, nodes, true);
    if (apart.length > 1) {
      return this.#join(
        'parallel',
        apart.map((part) => this.solve(part)),
      );
    }
    const inRow = this.#components(within, nodes, false);
    if (inRow.length > 1) {
      inRow.sort((a, b) => this.#firstRank(a) - this.#firstRank(b));
      return this.#join(
        'series',
        inRow.map((part) => this.solve(part)),
      );
    }
    return this.#cut(within, nodes);
  }

  /** Parts of a set that are connected by being ordered (`ordered`), or by not being ordered. */
  #components(within: Bits, nodes: readonly number[], ordered: boolean): Bits[] {
    const { ancestors, descendants } = this.#graph;
    const left = within.slice();
    const parts: Bits[] = [];
    for (const start of nodes) {
      if (!has(left, start)) continue;
      const part = bitsFor(this.#graph.size);
      const open = [start];
      clear(left, start);
      for (let node = open.pop(); node !== undefined; node = open.pop()) {
        set(part, node);
        const up = ancestors[node];
        const down = descendants[node];
        if (up === undefined || down === undefined) continue;
        for (let w = 0; w < left.length; w++) {
          const related = ((up[w] ?? 0) | (down[w] ?? 0)) >>> 0;
          let word = ((left[w] ?? 0) & (ordered ? related : ~related)) >>> 0;
          left[w] = ((left[w] ?? 0) & ~word) >>> 0;
          while (word !== 0) {
            const low = word & -word;
            open.push(w * 32 + (31 - Math.clz32(low)));
            word = (word ^ low) >>> 0;
          }
        }
      }
      parts.push(part);
    }
    return parts;
  }

  #firstRank(part: Bits): number {
    return Math.min(...membersOf(part).map((node) => this.#rank[node] ?? 0));
  }

  #join(kind: 'series' | 'parallel', parts: readonly Solution[]): Solution {
    const makespans = parts.map(({ makespan }) => makespan);
    return {
      tree: { kind, of: parts.flatMap(({ tree }) => (tree.kind === kind ? tree.of : [tree])) },
      barriers: parts.flatMap(({ barriers }) => barriers),
      slowPairs: total(parts.map(({ slowPairs }) => slowPairs)),
      makespan: kind === 'series' ? total(makespans) : Math.max(...makespans),
      added: total(parts.map(({ added }) => added)),
    };
  }

  #cut(within: Bits, nodes: readonly number[]): Solution {
    const candidates = this.#candidates(within, nodes);
    const ahead = nodes.length <= LOOK_AHEAD && this.#visits < LOOK_AHEAD_VISITS;
    if (ahead) this.#visits += 1;
    let best: { first: Bits; rest: Bits; score: readonly number[] } | null = null;
    for (const first of candidates) {
      const rest = without(within, first);
      const own = this.#cost(first, rest);
      const score = ahead
        ? this.#scoreAhead(first, rest, own)
        : [own.slowPairs, this.#criticalPath(first) + this.#criticalPath(rest), own.added];
      if (best === null || lessThan(score, best.score)) best = { first, rest, score };
    }
    // A set of two or more connected nodes has a level cut, so there is always a candidate.
    if (best === null) throw new TypeError('a set without a cut was to be cut');
    const joined = this.#join('series', [this.solve(best.first), this.solve(best.rest)]);
    const own = this.#cost(best.first, best.rest);
    return {
      ...joined,
      barriers: [this.#barrier(best.first, best.rest), ...joined.barriers],
      slowPairs: joined.slowPairs + own.slowPairs,
      added: joined.added + own.added,
    };
  }

  #scoreAhead(first: Bits, rest: Bits, own: { slowPairs: number; added: number }): number[] {
    const a = this.solve(first);
    const b = this.solve(rest);
    return [
      own.slowPairs + a.slowPairs + b.slowPairs,
      a.makespan + b.makespan,
      own.added + a.added + b.added,
    ];
  }

  /** Down-sets of the set, neither empty nor whole. */
  #candidates(within: Bits, nodes: readonly number[]): Bits[] {
    const { ancestors, descendants, dependents } = this.#graph;
    const found = new Map<string, Bits>();
    const offer = (candidate: Bits) => {
      for (let w = 0; w < candidate.length; w++) {
        candidate[w] = ((candidate[w] ?? 0) & (within[w] ?? 0)) >>> 0;
      }
      const count = countOf(candidate);
      if (count > 0 && count < nodes.length) found.set(candidate.join(), candidate);
    };
    const ordered = [...nodes].sort((a, b) => (this.#rank[a] ?? 0) - (this.#rank[b] ?? 0));
    for (const level of [this.#earliest(within, ordered), this.#latest(within, ordered)]) {
      const highest = Math.max(...level.values());
      for (let cut = 0; cut < highest; cut++) {
        const candidate = bitsFor(this.#graph.size);
        for (const node of nodes) if ((level.get(node) ?? 0) <= cut) set(candidate, node);
        offer(candidate);
      }
    }
    if (nodes.length > LEVELS_ONLY) return [...found.values()];
    for (const node of nodes) {
      const below = ancestors[node]?.slice() ?? bitsFor(this.#graph.size);
      set(below, node);
      offer(below);

      const notAbove = within.slice();
      clear(notAbove, node);
      offer(without(notAbove, descendants[node] ?? bitsFor(this.#graph.size)));

      const needed = bitsFor(this.#graph.size);
      for (const dependent of dependents[node] ?? []) {
        if (has(within, dependent)) {
          addAll(needed, ancestors[dependent] ?? bitsFor(this.#graph.size));
        }
      }
      offer(needed);
    }
    return [...found.values()];
  }

  #earliest(within: Bits, ordered: readonly number[]): Map<number, number> {
    const level = new Map<number, number>();
    for (const node of ordered) {
      let own = 0;
      for (const d of this.#graph.dependsOn[node] ?? []) {
        if (has(within, d)) own = Math.max(own, (level.get(d) ?? 0) + 1);
      }
      level.set(node, own);
    }
    return level;
  }

  #latest(within: Bits, ordered: readonly number[]): Map<number, number> {
    const height = new Map<number, number>();
    let highest = 0;
    for (const node of ordered.toReversed()) {
      let own = 0;
      for (const d of this.#graph.dependents[node] ?? []) {
        if (has(within, d)) own = Math.max(own, (height.get(d) ?? 0) + 1);
      }
      height.set(node, own);
      highest = Math.max(highest, own);
    }
    return new Map([...height].map(([node, own]) => [node, highest - own]));
  }

  #criticalPath(within: Bits): number {
    const { order, dependsOn, size } = this.#graph;
    const finish = new Float64Array(size);
    let longest = 0;
    for (const node of order) {
      if (!has(within, node)) continue;
      let start = 0;
      for (const d of dependsOn[node] ?? []) start = Math.max(start, finish[d] ?? 0);
      const end = start + (this.#weights.durations[node] ?? 0);
      finish[node] = end;
      longest = Math.max(longest, end);
    }
    return longest;
  }

  #cost(first: Bits, rest: Bits): { slowPairs: number; added: number } {
    let slowPairs = 0;
    let added = 0;
    for (const before of membersOf(first)) {
      const unordered = countWithout(rest, this.#graph.descendants[before] ?? rest);
      added += unordered;
      if (this.#weights.slow[before] === true) slowPairs += unordered;
    }
    return { slowPairs, added };
  }

  /** Added orders between the last of the first part and the first of the rest imply all others. */
  #barrier(first: Bits, rest: Bits): Barrier {
    const { ancestors, descendants } = this.#graph;
    const before = membersOf(first);
    const after = membersOf(rest);
    const last = before.filter((node) => !meet(descendants[node], first));
    const heads = after.filter((node) => !meet(ancestors[node], rest));
    const unordered = (from: readonly number[]): [number, number][] =>
      from.flatMap((a) =>
        heads.filter((b) => !has(descendants[a] ?? rest, b)).map((b): [number, number] => [a, b]),
      );
    return {
      before,
      after,
      added: unordered(last),
      slow: unordered(before.filter((node) => this.#weights.slow[node] === true)),
    };
  }
}

function clear(bits: Bits, i: number): void {
  const word = i >>> 5;
  bits[word] = ((bits[word] ?? 0) & ~(1 << (i & 31))) >>> 0;
}

function without(bits: Bits, taken: Bits): Bits {
  const left = bits.slice();
  for (let w = 0; w < left.length; w++) left[w] = ((left[w] ?? 0) & ~(taken[w] ?? 0)) >>> 0;
  return left;
}

function meet(a: Bits | undefined, b: Bits): boolean {
  return a?.some((word, w) => (word & (b[w] ?? 0)) !== 0) ?? false;
}

function lessThan(a: readonly number[], b: readonly number[]): boolean {
  for (const [i, value] of a.entries()) {
    const difference = value - (b[i] ?? 0);
    if (difference !== 0) return difference < 0;
  }
  return false;
}

function total(numbers: readonly number[]): number {
  return numbers.reduce((sum, number) => sum + number, 0);
}
