import { CloudFlowError } from '#core/errors.ts';

/** Revisions begin anew when something is deleted and made again; the time keeps the tags apart. */
export function etagOf(record: { readonly revision: number; readonly updatedAt: number }): string {
  return `${record.revision}-${record.updatedAt.toString(36)}`;
}

/**
 * Whether a change may go on: throws unless If-Match names the tag that is current. Weak tags never
 * match (RFC 9110, 13.1.1).
 */
export function requireMatch(ifMatch: string | null, etag: string): void {
  if (ifMatch === null || ifMatch.trim() === '*') return;
  const given = ifMatch.split(',').map((tag) => tag.trim());
  if (!given.includes(`"${etag}"`)) throw changed();
}

/** Somebody was faster. */
export function changed(): CloudFlowError {
  return new CloudFlowError(
    'PRECONDITION_FAILED',
    'it has changed since; get it again and use its new ETag',
  );
}
