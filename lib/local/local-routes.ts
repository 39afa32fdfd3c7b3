import type { LocalMetrics } from '#adapters/metrics/local-metrics.ts';
import { CloudFlowError } from '#core/errors.ts';
import type { ApiHandler, ApiResponse } from '#functions/shared/api.ts';
import type { VirtualClock } from './virtual-clock.ts';

/** A year at a time is enough for every test, and bounds how long one call can take. */
const MAX_ADVANCE_SECONDS = 366 * 86_400;
const MAX_BODY_BYTES = 1_024;

/**
 * Routes that only a local stack has, in front of the API:
 *
 *  - `GET /local/metrics`: what was measured since the start, as Prometheus reads it;
 *  - `POST /local/clock/advance {"seconds": n}`: moves a virtual clock timer by timer and answers when
 *    all is quiet. Without one it does not exist.
 */
export function withLocalRoutes(
  api: ApiHandler,
  { clock, metrics }: { readonly clock: VirtualClock | null; readonly metrics: LocalMetrics },
): ApiHandler {
  return async (request) => {
    if (request.path === '/local/metrics') {
      if (request.method !== 'GET') return answer(405, { code: 'METHOD_NOT_ALLOWED' });
      const headers = { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' };
      return { status: 200, headers, body: metrics.text() };
    }
    if (clock === null || request.path !== '/local/clock/advance') return api(request);
    if (request.method !== 'POST') return answer(405, { code: 'METHOD_NOT_ALLOWED' });
    let seconds: unknown;
    try {
      const body = await request.readBody(MAX_BODY_BYTES);
      ({ seconds } = JSON.parse(new TextDecoder().decode(body)) as { seconds: unknown });
    } catch (error) {
      if (
        !(
          error instanceof SyntaxError ||
          error instanceof CloudFlowError ||
          error instanceof TypeError
        )
      )
        throw error;
      return refuse('the body is not JSON');
    }
    if (typeof seconds !== 'number' || !(seconds >= 0) || seconds > MAX_ADVANCE_SECONDS) {
      return refuse(`seconds must be a number from 0 to ${MAX_ADVANCE_SECONDS}`);
    }
    await clock.advance(Math.round(seconds * 1_000));
    return answer(200, { now: new Date(clock.now()).toISOString() });
  };
}

function refuse(detail: string): ApiResponse {
  return answer(400, { code: 'REQUEST_INVALID', detail });
}

function answer(status: number, body: object): ApiResponse {
  return { status, headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
}
