import { describe, expect, it } from 'vitest';
import { createLocalRateLimiter } from '#adapters/local/rate-limiter.ts';
import { rateLimiterContract } from '#test/adapters/rate-limiter-contract.ts';

function timed(ms: number) {
  const clock = { ms };
  return { clock, limiter: createLocalRateLimiter({ monotonic: () => clock.ms }) };
}

rateLimiterContract('the limiter of one process', async () => timed(0), { runs: 400, seed: 41 });

describe('the limiter of one process', () => {
  const request = (limit: number) => ({
    tenant: 't',
    caller: 'a',
    limits: { caller: limit, tenant: limit },
  });

  it('counts before anybody is asked, and takes it back where that was refused', () => {
    const { limiter, clock } = timed(0);
    const first = limiter.reserve(request(1));
    expect(limiter.reserve(request(1)).allowed).toBe(false);
    first.giveBack();
    const second = limiter.reserve(request(1));
    expect(second.allowed).toBe(true);
    // Long after its second has left the window, there is nothing left to take back.
    clock.ms += 120_000;
    expect(limiter.reserve(request(1)).allowed).toBe(true);
    second.giveBack();
    expect(limiter.reserve(request(1)).allowed).toBe(false);
  });

  it('gives back nothing for what was refused', () => {
    const { limiter } = timed(0);
    limiter.reserve(request(1));
    limiter.reserve(request(1)).giveBack();
    expect(limiter.reserve(request(1)).allowed).toBe(false);
  });
});
