/**
 * The error catalogue. Two families, both append-only:
 *
 *  - API_ERRORS: what an HTTP caller may be told, by code; the status and whether a retry can help
 *    are read here and nowhere else.
 *  - STEP_ERRORS: what a step or an execution may fail with, on either runtime. `retryable` is the
 *    taxonomy of the language: a retryable error is repeated when the step asks for retries.
 *
 * Match on `code` (through `hasErrorCode`), never with instanceof: bundles carry copies of classes.
 */

export const API_ERRORS = {
  REQUEST_INVALID: { status: 400, retryable: false },
  REQUEST_MALFORMED: { status: 400, retryable: false },
  IDEMPOTENCY_KEY_INVALID: { status: 400, retryable: false },
  CURSOR_INVALID: { status: 400, retryable: false },
  UNAUTHENTICATED: { status: 401, retryable: false },
  CREDENTIALS_INVALID: { status: 401, retryable: false },
  TOKEN_INVALID: { status: 401, retryable: false },
  SIGN_IN_REFUSED: { status: 401, retryable: false },
  MFA_REQUIRED: { status: 403, retryable: false },
  REAUTHENTICATION_REQUIRED: { status: 403, retryable: false },
  PERMISSION_DENIED: { status: 403, retryable: false },
  NOT_FOUND: { status: 404, retryable: false },
  ROUTE_NOT_FOUND: { status: 404, retryable: false },
  METHOD_NOT_ALLOWED: { status: 405, retryable: false },
  NOT_ACCEPTABLE: { status: 406, retryable: false },
  REQUEST_TIMEOUT: { status: 408, retryable: true },
  CONFLICT: { status: 409, retryable: false },
  WORKFLOW_VERSION_EXISTS: { status: 409, retryable: false },
  EXECUTION_CONFLICT: { status: 409, retryable: false },
  EXECUTION_FINISHED: { status: 409, retryable: false },
  EXECUTION_NOT_FINISHED: { status: 409, retryable: false },
  EXECUTION_NOT_PAUSED: { status: 409, retryable: false },
  EXECUTION_QUARANTINED: { status: 409, retryable: false },
  EXECUTION_NOT_QUARANTINED: { status: 409, retryable: false },
  WORKFLOW_PAUSED: { status: 409, retryable: false },
  WORKFLOW_NOT_PAUSED: { status: 409, retryable: false },
  RUNTIME_CANNOT_PAUSE: { status: 409, retryable: false },
  RUNTIME_UNAVAILABLE: { status: 409, retryable: false },
  VERSION_INCOMPATIBLE: { status: 409, retryable: false },
  APPROVAL_ANSWERED: { status: 409, retryable: false },
  CALLBACK_FINISHED: { status: 409, retryable: false },
  DEAD_LETTER_CLOSED: { status: 409, retryable: false },
  DEAD_LETTER_UNSENDABLE: { status: 409, retryable: false },
  IDEMPOTENCY_IN_PROGRESS: { status: 409, retryable: true },
  PRECONDITION_FAILED: { status: 412, retryable: false },
  PAYLOAD_TOO_LARGE: { status: 413, retryable: false },
  PAYLOAD_TOO_DEEP: { status: 413, retryable: false },
  UNSUPPORTED_MEDIA_TYPE: { status: 415, retryable: false },
  EXPECTATION_FAILED: { status: 417, retryable: false },
  WORKFLOW_INVALID: { status: 422, retryable: false },
  INPUT_INVALID: { status: 422, retryable: false },
  CONNECTION_INVALID: { status: 422, retryable: false },
  PASSWORD_UNSUITABLE: { status: 422, retryable: false },
  ROLE_INVALID: { status: 422, retryable: false },
  IDENTITY_PROVIDER_INVALID: { status: 422, retryable: false },
  IDEMPOTENCY_KEY_REUSED: { status: 422, retryable: false },
  IDENTITY_PROVIDER_AWAY: { status: 424, retryable: true },
  PRECONDITION_REQUIRED: { status: 428, retryable: false },
  RATE_LIMITED: { status: 429, retryable: true },
  LOCKED_OUT: { status: 429, retryable: true },
  TOO_MANY_WAITING: { status: 429, retryable: true },
  HEADERS_TOO_LARGE: { status: 431, retryable: false },
  INTERNAL: { status: 500, retryable: true },
  UNAVAILABLE: { status: 503, retryable: true },
} as const satisfies Record<string, { status: number; retryable: boolean }>;

export type ApiErrorCode = keyof typeof API_ERRORS;

export const STEP_ERRORS = {
  Timeout: { retryable: true },
  ConnectionError: { retryable: true },
  Throttled: { retryable: true },
  ServerError: { retryable: true },
  Transient: { retryable: true },
  DatabaseUnavailable: { retryable: true },
  SerializationFailure: { retryable: true },
  ClientError: { retryable: false },
  UnexpectedStatus: { retryable: false },
  InvalidResponse: { retryable: false },
  AuthenticationFailed: { retryable: false },
  PermissionDenied: { retryable: false },
  NotFound: { retryable: false },
  ConstraintViolation: { retryable: false },
  InvalidConfig: { retryable: false },
  OutputTooLarge: { retryable: false },
  Rejected: { retryable: false },
  ExpressionError: { retryable: false },
  TooManyItems: { retryable: false },
  IterationFailed: { retryable: false },
  ArmFailed: { retryable: false },
  GroupFailed: { retryable: false },
  LoopLimitExceeded: { retryable: false },
  SubWorkflowFailed: { retryable: false },
  ApprovalRejected: { retryable: false },
  CallbackFailed: { retryable: false },
  Cancelled: { retryable: false },
  WorkflowTimeout: { retryable: false },
  CompensationFailed: { retryable: false },
  QuotaExceeded: { retryable: false },
  Internal: { retryable: false },
} as const satisfies Record<string, { retryable: boolean }>;

export type StepErrorName = keyof typeof STEP_ERRORS;
export type StepErrorCode = `CloudFlow.${StepErrorName}`;

/** `CloudFlow.Timeout` for `Timeout`: the name that users see and both runtimes carry. */
export function stepErrorCode(name: StepErrorName): StepErrorCode {
  return `CloudFlow.${name}`;
}

/**
 * Whether the taxonomy calls this error retryable. Names given by users (`fail` steps, `retry_on`)
 * are not in the taxonomy and so are permanent unless `retry_on` names them.
 */
export function isRetryableStepError(code: string): boolean {
  const name = code.startsWith('CloudFlow.') ? code.slice('CloudFlow.'.length) : '';
  return Object.hasOwn(STEP_ERRORS, name) && STEP_ERRORS[name as StepErrorName].retryable;
}

/** What a failed step, attempt or execution says. `message` never holds secrets or payloads. */
export interface StepError {
  readonly code: string;
  readonly message: string;
}

/**
 * One thing that is wrong with a document or a request. `pointer` is a JSON Pointer into what was
 * sent; `given` shows the offending value (shortened), `allowed` says in words what would be right.
 */
export interface Problem {
  readonly code: string;
  readonly pointer: string;
  readonly message: string;
  readonly given?: string;
  readonly allowed?: string;
}

/** The one error class of ours. `details` is shown to the caller; `cause` only to the log. */
export class CloudFlowError extends Error {
  readonly code: ApiErrorCode;
  readonly problems: readonly Problem[];
  readonly details: Readonly<Record<string, unknown>>;

  constructor(
    code: ApiErrorCode,
    message: string,
    options: {
      problems?: readonly Problem[];
      details?: Readonly<Record<string, unknown>>;
      cause?: unknown;
    } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'CloudFlowError';
    this.code = code;
    this.problems = options.problems ?? [];
    this.details = options.details ?? {};
  }
}

/** True when a thrown thing is ours and carries this code, also across bundle copies. */
export function hasErrorCode(error: unknown, code: ApiErrorCode): error is CloudFlowError {
  return (
    error instanceof Error &&
    error.name === 'CloudFlowError' &&
    'code' in error &&
    error.code === code
  );
}
