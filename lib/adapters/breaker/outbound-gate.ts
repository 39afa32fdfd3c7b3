/**
 * Stands between steps and what they call: bounded concurrency per tenant and target, and a circuit
 * breaker that stops calling what does not answer.
 *
 * Our own and not a library (opossum, cockatiel): there is one target per tenant and host, thousands
 * of short-lived ones, and a breaker object with a rolling-window timer each would cost more than it
 * guards; both also read the clock themselves, so neither could be tested without waiting.
 *
 *  K1 a target is only ever what one tenant calls: tenants cannot open each other's breakers.
 *  K2 only silence opens a breaker (no connection, no answer in time): an answer, however unwelcome,
 *     shows that the target is there, and one broken path must not close a whole host.
 *  K3 waiting has a bound in number, and in time by the caller's signal.
 *  K4 a target is forgotten when nothing is under way and nothing is held against it.
 */
import { METRICS } from '#config/metrics.ts';
import type { Clock } from '#ports/clock.ts';
import { type Metrics, NO_METRICS } from '#ports/metrics.ts';
import type { OutboundGate } from '#ports/outbound-gate.ts';

export interface GateLimits {
  /** Calls under way per target. */
  readonly concurrency: number;
  /** Calls waiting per target. */
  readonly waiting: number;
  /** Silent calls in a row that open the breaker. */
  readonly failures: number;
  /** How long an open breaker lets nothing through; then one call probes. */
  readonly openMs: number;
}

export const DEFAULT_GATE_LIMITS: GateLimits = {
  concurrency: 64,
  waiting: 1_000,
  failures: 10,
  openMs: 5_000,
};

interface Target {
  running: number;
  readonly queue: Waiter[];
  silentInARow: number;
  /** Monotonic; null: closed. */
  openUntil: number | null;
  probing: boolean;
}

interface Waiter {
  readonly go: () => void;
}

/** A gate for one process. Measures with the monotonic clock: breakers are about real networks. */
export function createOutboundGate(
  clock: Clock,
  limits: GateLimits = DEFAULT_GATE_LIMITS,
  metrics: Metrics = NO_METRICS,
): OutboundGate {
  const targets = new Map<string, Target>();

  function refused(kind: 'open' | 'busy'): { readonly kind: 'open' | 'busy' } {
    metrics.add(METRICS.CallsRefused, { Reason: kind });
    return { kind };
  }

  function targetOf(key: string): Target {
    let target = targets.get(key);
    if (target === undefined) {
      target = { running: 0, queue: [], silentInARow: 0, openUntil: null, probing: false };
      targets.set(key, target);
    }
    return target;
  }

  function leave(key: string, target: Target): void {
    target.running -= 1;
    target.queue.shift()?.go();
    if (target.running === 0 && target.queue.length === 0 && target.silentInARow === 0) {
      targets.delete(key);
    }
    if (targets.size > 10_000) forgetOldest();
  }

  /** Targets that stay silent and are never called again would stay for ever. */
  function forgetOldest(): void {
    for (const [key, target] of targets) {
      if (target.running === 0 && target.queue.length === 0) {
        targets.delete(key);
        return;
      }
    }
  }

  function wait(target: Target, signal: AbortSignal): Promise<boolean> {
    return new Promise((resolve) => {
      const waiter: Waiter = {
        go: () => {
          signal.removeEventListener('abort', onAbort);
          target.running += 1;
          resolve(true);
        },
      };
      const onAbort = (): void => {
        target.queue.splice(target.queue.indexOf(waiter), 1);
        resolve(false);
      };
      signal.addEventListener('abort', onAbort, { once: true });
      target.queue.push(waiter);
    });
  }

  return {
    async run(named, signal, call) {
      if (signal.aborted) return { kind: 'aborted' };
      // The length keeps the two parts apart, whatever characters they hold.
      const key = `${named.tenant.length}:${named.tenant}${named.name}`;
      const target = targetOf(key);
      if (isShut(target, clock.monotonic())) return refused('open');
      if (target.running < limits.concurrency) target.running += 1;
      else if (target.queue.length >= limits.waiting) return refused('busy');
      else if (!(await wait(target, signal))) return { kind: 'aborted' };

      let probe = false;
      try {
        if (isShut(target, clock.monotonic())) return refused('open');
        probe = target.openUntil !== null;
        target.probing = probe;
        const { value, silent } = await call();
        if (!silent) {
          target.silentInARow = 0;
          target.openUntil = null;
        } else {
          target.silentInARow += 1;
          if (target.silentInARow >= limits.failures) {
            if (target.openUntil === null) metrics.add(METRICS.CircuitsOpened, {});
            target.openUntil = clock.monotonic() + limits.openMs;
          }
        }
        return { kind: 'ran', value };
      } finally {
        if (probe) target.probing = false;
        leave(key, target);
      }
    },
    get size() {
      return targets.size;
    },
    get open() {
      let open = 0;
      for (const { openUntil } of targets.values()) if (openUntil !== null) open += 1;
      return open;
    },
  };
}

function isShut(target: Target, now: number): boolean {
  return target.openUntil !== null && (now < target.openUntil || target.probing);
}
