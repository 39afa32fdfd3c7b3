/**
 * What one request may cost before anything of it is understood. Read by the HTTP wrapper, the local
 * server and (later) the deployed API, so that all refuse the same.
 */
export const API_LIMITS = {
  maxBodyBytes: 1_048_576,
  maxJsonDepth: 64,
  maxJsonMembers: 50_000,
  maxPathBytes: 2_048,
  maxQueryBytes: 8_192,
  maxQueryParameters: 50,
  maxHeaderBytes: 16_384,
  /** Time for the headers, and for headers and body together: slow clients are cut off. */
  headersTimeoutMs: 5_000,
  requestTimeoutMs: 15_000,
  keepAliveTimeoutMs: 65_000,
  maxConnections: 4_096,
  maxRequestsInFlight: 1_024,
  /** An answer is kept for this long under its Idempotency-Key. */
  idempotencyKeptMs: 24 * 3_600_000,
  /** After this long without an answer, the first try is taken for dead and a repeat may run. */
  idempotencyLeaseMs: 60_000,
} as const;

/** Rule 39 of docs/language.md. */
export const MAX_INPUT_BYTES = 65_536;
