import { NO_ANSWER } from '#adapters/aws/silence.ts';

/**
 * Whether an error means that a part of ours is away or full, so that the same request may succeed in
 * a moment: the caller is told 503 and when to come again, not that something is broken.
 */
export function isUnavailable(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (OURS.has(error.name) || isAwsAway(error)) return true;
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  if (NO_ANSWER.has(code) || SQL_CLASSES.test(code)) return true;
  // pg gives these no code.
  return (
    TERMINATED.test(error.message) ||
    NOT_QUERYABLE.test(error.message) ||
    error.message.startsWith('timeout exceeded when trying to connect')
  );
}

/** Errors of ours that say so: full, without an answer of the cache, or mail that has not left. */
const OURS: ReadonlySet<string> = new Set(['BatcherFull', 'CacheAway', 'MailAway']);

/** A service of AWS that failed inside, asks us to slow down, or took the connection and said nothing. */
function isAwsAway(error: Error): boolean {
  if (error.name === 'TimeoutError' || THROTTLED.test(error.name)) return true;
  const metadata = '$metadata' in error ? error.$metadata : null;
  const status =
    typeof metadata === 'object' && metadata !== null && 'httpStatusCode' in metadata
      ? Number(metadata.httpStatusCode)
      : 0;
  return status >= 500 || status === 429;
}

const THROTTLED = /^(?:Throttl|ProvisionedThroughputExceeded|RequestLimitExceeded|SlowDown)/;

/**
 * Connection exceptions, too many connections, shutting down or starting up, and a session that was
 * ended because this process was too slow to go on with its transaction.
 */
const SQL_CLASSES = /^(?:08...|25P0[34]|53...|57P0[1-3])$/;
/** The server was lost, or took the connection and said nothing. */
const TERMINATED = /^Connection terminated (?:unexpectedly|due to connection timeout)$/;
/** The session had ended between two queries of one transaction. */
const NOT_QUERYABLE =
  /^Client (?:has encountered a connection error|was closed) and is not queryable$/;
