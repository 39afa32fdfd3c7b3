import type { StepErrorName } from '#core/errors.ts';
import { OperationFailure } from '#core/operation-failure.ts';

/** What every client throws: the name is AWS's own, metadata is there when an answer came. */
interface Thrown {
  readonly name: string;
  readonly message: string;
  readonly $metadata?: { readonly httpStatusCode?: number };
  readonly $retryable?: { readonly throttling?: boolean };
}

const THROTTLED = /Throttl|TooManyRequests|RequestLimitExceeded|SlowDown|PriorRequestNotComplete/;
const DENIED = /AccessDenied|NotAuthorized|UnauthorizedOperation|^AuthFailure$|AuthorizationError/;
const ABSENT = /NotFound|NoSuch|DoesNotExist/;
/** It is being changed, or something it needs is: a moment later it may be otherwise. */
const BUSY =
  /InvalidDB\w*State|InvalidExport\w*State|InvalidGlobalClusterState|ConflictException|ResourceInUse/;

/** Errors of AWS in words of the language, for what an operation asked of it. */
export async function asked<T>(what: string, request: () => Promise<T>): Promise<T> {
  try {
    return await request();
  } catch (error) {
    throw failureOf(what, error);
  }
}

export function failureOf(what: string, error: unknown): unknown {
  if (error instanceof OperationFailure || !(error instanceof Error)) return error;
  const thrown: Thrown = error;
  const name = nameOf(thrown);
  return new OperationFailure(name, `${what}: ${thrown.name}`, error);
}

function nameOf({ name, $metadata, $retryable }: Thrown): StepErrorName {
  if (THROTTLED.test(name) || $retryable?.throttling === true) return 'Throttled';
  if (DENIED.test(name)) return 'PermissionDenied';
  if (ABSENT.test(name)) return 'NotFound';
  if (BUSY.test(name)) return 'Transient';
  const status = $metadata?.httpStatusCode;
  if (name === 'TimeoutError' || name === 'AbortError') return 'Timeout';
  if (status === undefined) return 'ConnectionError';
  return status >= 500 ? 'ServerError' : 'ClientError';
}

/** Whether AWS says, under one of these names, that something is not there or is so already. */
export function isNamed(error: unknown, ...names: readonly string[]): boolean {
  return error instanceof Error && names.includes(error.name);
}

/** Asks for a change: what is refused by one of these names is so already. */
export async function unless(
  what: string,
  harmless: readonly string[],
  request: () => Promise<unknown>,
): Promise<void> {
  try {
    await request();
  } catch (error) {
    if (!isNamed(error, ...harmless)) await asked(what, () => Promise.reject(error));
  }
}
