/** Nobody answered, or who did has failed inside. A refusal, throttling too, shows that somebody is there. */
export function isSilence(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { code, $metadata } = error as {
    readonly code?: unknown;
    readonly $metadata?: { readonly httpStatusCode?: number };
  };
  const status = $metadata?.httpStatusCode;
  if (status !== undefined) return status >= 500;
  return error.name === 'TimeoutError' || (typeof code === 'string' && NO_ANSWER.has(code));
}

/** Codes of connections that could not be had, or were lost. */
export const NO_ANSWER: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
]);
