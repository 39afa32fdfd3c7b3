import { type Breaker, createBreaker } from '#adapters/breaker/breaker.ts';
import type { BreakerName } from '#config/breakers.ts';
import type { Clock } from '#ports/clock.ts';
import type { Metrics } from '#ports/metrics.ts';
import { isSilence } from './silence.ts';

export interface GuardDeps {
  readonly clock: Pick<Clock, 'monotonic'>;
  readonly metrics: Metrics;
}

/** What every client of AWS has. */
interface Client {
  readonly middlewareStack: { add(middleware: never, options: never): void };
}

/**
 * The client, behind a circuit breaker of its own. It is around everything that the client does, its own
 * tries among it: a failure is one that the caller sees.
 */
export function guarded<C extends Client>(name: BreakerName, client: C, deps: GuardDeps): C {
  const breaker = createBreaker(name, { ...deps, counts: isSilence });
  // Each client has its own words for what passes through it; nothing of that is looked at here.
  client.middlewareStack.add(
    throughBreaker(breaker) as never,
    { name: 'breaker', step: 'initialize', priority: 'high' } as never,
  );
  return client;
}

function throughBreaker(breaker: Breaker) {
  return <A, R>(next: (call: A) => Promise<R>) =>
    (call: A): Promise<R> =>
      breaker.run(() => next(call));
}
