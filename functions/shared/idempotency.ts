import { createHash } from 'node:crypto';
import { API_LIMITS } from '#config/api-limits.ts';
import type { OperationId } from '#contract/routes.ts';
import { CloudFlowError } from '#core/errors.ts';
import { canonicalJson, type Json } from '#core/json.ts';
import type { Clock } from '#ports/clock.ts';
import type { IdempotencyStore } from '#ports/idempotency-store.ts';
import type { Principal } from '#services/identity/principal.ts';
import type { ApiResponse } from './api.ts';

export type KeepAnswers = (
  principal: Principal,
  idempotency: { readonly key: string; readonly fingerprint: string },
  run: () => Promise<ApiResponse>,
) => Promise<ApiResponse>;

/** What makes two requests the same request: the operation, its path, its query and its body. */
export function fingerprintOf(
  id: OperationId,
  raw: { readonly params: unknown; readonly query: unknown; readonly body: unknown },
): string {
  const parts = [id, { ...(raw.params as object) }, raw.query, raw.body ?? null] as Json;
  return createHash('sha256').update(canonicalJson(parts)).digest('hex');
}

/**
 * Runs a call once per key. Successes are kept and given again; a refusal leaves no trace, for it
 * changed nothing, and what is refused now may be right a moment later.
 */
export function createKeepAnswers(deps: {
  readonly store: IdempotencyStore;
  readonly clock: Clock;
}): KeepAnswers {
  return async (principal, { key, fingerprint }, run) => {
    const name = { tenant: principal.tenant, mode: principal.mode, key };
    const begun = await deps.store.begin({
      ...name,
      fingerprint,
      now: deps.clock.now(),
      leaseMs: API_LIMITS.idempotencyLeaseMs,
      keptMs: API_LIMITS.idempotencyKeptMs,
    });
    switch (begun.kind) {
      case 'answered':
        return replay(begun.answer);
      case 'in_progress':
        throw new CloudFlowError(
          'IDEMPOTENCY_IN_PROGRESS',
          'a request with this Idempotency-Key is still running; repeat it in a moment',
        );
      case 'reused':
        throw reused();
      case 'begun':
        break;
    }
    let response: ApiResponse;
    try {
      response = await run();
    } catch (error) {
      await deps.store.abandon(name, begun.attempt);
      throw error;
    }
    const kept = {
      status: response.status,
      headers: response.headers,
      body: response.body === null ? null : (JSON.parse(response.body) as Json),
    };
    // The work is done. If only its answer is not kept, a repeat is told for a minute that it still
    // runs, so a session that was lost just now is worth a second try.
    await deps.store
      .finish(name, begun.attempt, kept)
      .catch(() => deps.store.finish(name, begun.attempt, kept));
    return response;
  };
}

export function reused(): CloudFlowError {
  return new CloudFlowError(
    'IDEMPOTENCY_KEY_REUSED',
    'this Idempotency-Key came before with another request; use a new one',
  );
}

function replay(answer: {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Json;
}): ApiResponse {
  return {
    status: answer.status,
    headers: { ...answer.headers, 'idempotency-replayed': 'true' },
    body: answer.body === null ? null : JSON.stringify(answer.body),
  };
}
