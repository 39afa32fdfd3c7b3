import type { Basics } from './process.ts';

/**
 * What every function does around what it is for. What it knows is made `fresh` first. It answers only when what it hinted is sent
 * (`settled`) and what it measured is told: what comes after the answer is frozen.
 */
export function invoked<Event, Result>(
  {
    metrics,
    tracer,
    fresh,
  }: Pick<Basics, 'metrics' | 'tracer'> & { readonly fresh?: () => Promise<void> },
  handle: (event: Event) => Promise<Result>,
  settled: () => Promise<void> = () => Promise.resolve(),
): (event: Event) => Promise<Result> {
  return async (event) => {
    try {
      await fresh?.();
      return await handle(event);
    } finally {
      await settled();
      metrics.flush();
      await tracer.settled();
    }
  };
}
