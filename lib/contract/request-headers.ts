/** Headers that every operation reads: who documents them and who reads them have the same pattern. */
/** 1 to 128 visible characters. The wrapper that reads the header checks with the same pattern. */
export const IDEMPOTENCY_KEY = { type: 'string', pattern: '^[\\x21-\\x7e]{1,128}$' } as const;
export const CORRELATION_ID = { type: 'string', pattern: '^[A-Za-z0-9._:-]{1,128}$' } as const;
