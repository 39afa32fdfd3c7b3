/**
 * Directed graphs of at most a few hundred nodes, with their transitive closure as bit sets: what
 * visibility, redundancy and the series-parallel form all ask about.
 */
export interface Graph {
  readonly size: number;
  readonly dependsOn: readonly (readonly number[])[];
  readonly dependents: readonly (readonly number[])[];
  /** Every node after all that it depends on; by author's order where the graph leaves it open. */
  readonly order: readonly number[];
  readonly ancestors: readonly Bits[];
  readonly descendants: readonly Bits[];
}

export type Bits = Uint32Array;

export function bitsFor(size: number): Bits {
  return new Uint32Array(Math.max(1, Math.ceil(size / 32)));
}

export function has(bits: Bits, i: number): boolean {
  return (((bits[i >>> 5] ?? 0) >>> (i & 31)) & 1) === 1;
}

export function set(bits: Bits, i: number): void {
  const word = i >>> 5;
  bits[word] = ((bits[word] ?? 0) | (1 << (i & 31))) >>> 0;
}

export function addAll(to: Bits, from: Bits): void {
  for (let w = 0; w < to.length; w++) to[w] = ((to[w] ?? 0) | (from[w] ?? 0)) >>> 0;
}

export function membersOf(bits: Bits): number[] {
  const members: number[] = [];
  for (let w = 0; w < bits.length; w++) {
    let word = bits[w] ?? 0;
    while (word !== 0) {
      const low = word & -word;
      members.push(w * 32 + (31 - Math.clz32(low)));
      word = (word ^ low) >>> 0;
    }
  }
  return members;
}

export function countOf(bits: Bits): number {
  let count = 0;
  for (let w = 0; w < bits.length; w++) count += onesOf(bits[w] ?? 0);
  return count;
}

/** How many of `bits` are not in `taken`. */
export function countWithout(bits: Bits, taken: Bits): number {
  let count = 0;
  for (let w = 0; w < bits.length; w++) count += onesOf((bits[w] ?? 0) & ~(taken[w] ?? 0));
  return count;
}

function onesOf(bits: number): number {
  let word = bits - ((bits >>> 1) & 0x55555555);
  word = (word & 0x33333333) + ((word >>> 2) & 0x33333333);
  return Math.imul((word + (word >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}

/** `dependsOn[i]` holds nodes of the same graph, none of them `i`. Null when there is a cycle. */
export function createGraph(dependsOn: readonly (readonly number[])[]): Graph | null {
  const size = dependsOn.length;
  const dependents: number[][] = Array.from({ length: size }, () => []);
  const waitingFor = dependsOn.map((dependencies) => dependencies.length);
  for (const [i, dependencies] of dependsOn.entries()) {
    for (const d of dependencies) dependents[d]?.push(i);
  }
  const order: number[] = [];
  const ready = new Set(waitingFor.flatMap((count, i) => (count === 0 ? [i] : [])));
  while (ready.size > 0) {
    const next = Math.min(...ready);
    ready.delete(next);
    order.push(next);
    for (const dependent of dependents[next] ?? []) {
      const left = (waitingFor[dependent] ?? 0) - 1;
      waitingFor[dependent] = left;
      if (left === 0) ready.add(dependent);
    }
  }
  if (order.length < size) return null;

  const ancestors = dependsOn.map(() => bitsFor(size));
  const descendants = dependsOn.map(() => bitsFor(size));
  for (const i of order) {
    const mine = ancestors[i];
    if (mine === undefined) continue;
    for (const d of dependsOn[i] ?? []) {
      set(mine, d);
      addAll(mine, ancestors[d] ?? bitsFor(size));
    }
    for (const a of membersOf(mine)) set(descendants[a] ?? bitsFor(size), i);
  }
  return { size, dependsOn, dependents, order, ancestors, descendants };
}

/** One cycle for each knot of steps that wait for each other, as a path that ends where it began. */
export function findCycles(dependsOn: readonly (readonly number[])[]): number[][] {
  const cycles: number[][] = [];
  const state = new Array<'new' | 'open' | 'done'>(dependsOn.length).fill('new');
  const inCycle = new Set<number>();
  for (let start = 0; start < dependsOn.length; start++) {
    if (state[start] !== 'new') continue;
    const path: { node: number; next: number }[] = [{ node: start, next: 0 }];
    state[start] = 'open';
    for (let top = path.at(-1); top !== undefined; top = path.at(-1)) {
      const dependency = dependsOn[top.node]?.[top.next];
      top.next += 1;
      if (dependency === undefined) {
        state[top.node] = 'done';
        path.pop();
      } else if (state[dependency] === 'open') {
        const from = path.findIndex(({ node }) => node === dependency);
        const cycle = path.slice(from).map(({ node }) => node);
        if (!cycle.some((node) => inCycle.has(node))) {
          for (const node of cycle) inCycle.add(node);
          cycles.push([...cycle, dependency]);
        }
      } else if (state[dependency] === 'new') {
        state[dependency] = 'open';
        path.push({ node: dependency, next: 0 });
      }
    }
  }
  return cycles;
}
