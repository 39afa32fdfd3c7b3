/** Runs at most `limit` pieces of work at once; the rest wait in order. */
export function createGate(limit: number): <T>(work: () => Promise<T>) => Promise<T> {
  if (!(limit >= 1)) throw new TypeError(`a gate lets ${limit} through; use 1 or more`);
  let open = limit;
  const waiting: (() => void)[] = [];
  return async (work) => {
    // Who wakes a waiter hands over its own place, so `open` is not touched in between.
    if (open > 0) open -= 1;
    else await new Promise<void>((resolve) => waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next === undefined) open += 1;
      else next();
    }
  };
}
