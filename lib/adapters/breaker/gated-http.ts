import type { Http, HttpAnswer } from '#ports/http.ts';
import type { OutboundGate } from '#ports/outbound-gate.ts';
import type { GateLimits } from './outbound-gate.ts';

/** For whom somebody waits in front of a browser: whoever is silent is left alone early. */
export const IMPATIENT_LIMITS: GateLimits = {
  concurrency: 32,
  waiting: 200,
  failures: 5,
  openMs: 5_000,
};

/**
 * The same behind a gate, by tenant and host. A host that stays silent is not asked for a while; whoever
 * would have asked is told at once that it cannot be reached. The signal of a request must be a limit of time and nothing
 * that a caller does, since a request that it ended counts as silence.
 */
export function createGatedHttp(http: Http, gate: OutboundGate): Http {
  return {
    async request(request) {
      const name = URL.parse(request.url)?.host;
      if (name === undefined) return http.request(request);
      const { tenant, signal } = request;
      const answer = await gate.run({ tenant, name }, signal, async () => {
        const value = await http.request(request);
        return { value, silent: isSilent(value) };
      });
      if (answer.kind === 'ran') return answer.value;
      return { ok: false, reason: 'unreachable', message: `not asked: its gate is ${answer.kind}` };
    },
    close: () => http.close(),
  };
}

function isSilent(answer: HttpAnswer): boolean {
  return !answer.ok && ['unreachable', 'idle', 'aborted'].includes(answer.reason);
}
