import type { Static } from 'typebox';
import { API_ERRORS, type ApiErrorCode, type CloudFlowError } from '#core/errors.ts';
import type { ProblemDetails as Schema } from './schemas/common.ts';

export type ProblemDetails = Static<typeof Schema> & { readonly [member: string]: unknown };

/**
 * An error as RFC 9457 problem details. What failed inside stays inside: a 5xx says its code and the
 * request id, by which operators find the rest.
 */
export function problemDetails(error: CloudFlowError, requestId: string): ProblemDetails {
  const { status } = API_ERRORS[error.code];
  const base = {
    type: `urn:cloudflow:problem:${error.code.toLowerCase().replaceAll('_', '-')}`,
    title: titleOf(error.code),
    status,
    code: error.code,
    request_id: requestId,
  };
  if (status >= 500) return base;
  return {
    ...error.details,
    ...base,
    detail: error.message,
    ...(error.problems.length === 0 ? {} : { problems: [...error.problems] }),
  };
}

/** `IDEMPOTENCY_KEY_REUSED` as `idempotency key reused`. */
function titleOf(code: ApiErrorCode): string {
  return code.toLowerCase().replaceAll('_', ' ');
}

export function isApiErrorCode(code: unknown): code is ApiErrorCode {
  return typeof code === 'string' && Object.hasOwn(API_ERRORS, code);
}
