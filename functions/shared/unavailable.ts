/**
 * Whether an error means that a part of ours is away or full, so that the same request may succeed in
 * a moment: the caller is told 503 and when to come again, not that something is broken.
 */
export function isUnavailable(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (error.name === 'BatcherFull') return true;
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  if (CODES.has(code) || SQL_CLASSES.test(code)) return true;
  // pg gives these two no code.
  return (
    error.message === 'Connection terminated unexpectedly' ||
    error.message.startsWith('timeout exceeded when trying to connect')
  );
}

const CODES: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
]);
/** Connection exceptions, too many connections, shutting down or starting up. */
const SQL_CLASSES = /^(?:08...|53...|57P0[1-3])$/;
