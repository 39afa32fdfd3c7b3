/**
 * Windows that all processes share, in one round trip.
 *
 *  S1 Time is the server's: one node holds all windows of a tenant, so no two clocks are compared. Where it
 *     is set, or another node takes over, what was counted by the other clock counts as long as it is
 *     within a minute of this one, either way.
 *  S2 Both keys of a tenant are in one slot, by the tenant in braces.
 *  S3 A key holds a number for each second that counts, at most two minutes of them, and is gone when
 *     nobody has called for as long as its window.
 */
import { RATE_WINDOW_SECONDS } from '#core/rate-limits.ts';
import type { ByWindow, RateAnswer, RateLimiter, RateRequest } from '#ports/rate-limiter.ts';
import type { Redis } from './connect.ts';
import { defineScript, type Script } from './script.ts';

const SECONDS = RATE_WINDOW_SECONDS + 1;

/** `time` is an expression of Lua for the second that runs. */
export function rateScript(time: string): Script {
  return defineScript(`
local now = tonumber(${time})
local answer = { 1 }
for i = 1, 2 do
  local fields = redis.call('HGETALL', KEYS[i])
  local total, oldest, over = 0, now, {}
  for f = 1, #fields, 2 do
    local second = tonumber(fields[f])
    if second > now - ${SECONDS} and second < now + ${SECONDS} then
      total = total + tonumber(fields[f + 1])
      if second < oldest then oldest = second end
    else
      over[#over + 1] = fields[f]
    end
  end
  if #over > 0 then redis.call('HDEL', KEYS[i], unpack(over)) end
  if total >= tonumber(ARGV[i]) then answer[1] = 0 end
  answer[2 * i] = total
  answer[2 * i + 1] = oldest + ${SECONDS} - now
end
if answer[1] == 1 then
  for i = 1, 2 do
    redis.call('HINCRBY', KEYS[i], now, 1)
    redis.call('EXPIRE', KEYS[i], ${SECONDS})
    answer[2 * i] = answer[2 * i] + 1
  end
end
return answer`);
}

const BY_SERVER = rateScript("redis.call('TIME')[1]");

/** Rejects where the server does not answer, or answers what is no answer. */
export function createRedisRateLimiter(
  redis: Pick<Redis, 'run'>,
  script: Script = BY_SERVER,
): RateLimiter {
  return {
    async take({ tenant, caller, limits }) {
      const reply = await redis.run(
        script,
        [`rate:{${tenant}}:${caller}`, `rate:{${tenant}}`],
        [String(limits.caller), String(limits.tenant)],
      );
      return read(reply, limits);
    },
  };
}

function read(reply: unknown, limits: RateRequest['limits']): RateAnswer {
  const isAnswer = Array.isArray(reply) && reply.length === 5 && reply.every(Number.isInteger);
  if (!isAnswer) throw new TypeError('the windows of the cache were not told as five numbers');
  const [allowed, callers, callerFree, tenants, tenantFree] = reply as [
    number,
    number,
    number,
    number,
    number,
  ];
  const windows: ByWindow<RateAnswer['windows']['caller']> = {
    caller: { remaining: Math.max(limits.caller - callers, 0), freeInSeconds: callerFree },
    tenant: { remaining: Math.max(limits.tenant - tenants, 0), freeInSeconds: tenantFree },
  };
  return { allowed: allowed === 1, windows };
}
