import { createHash, createPublicKey, verify } from 'node:crypto';
import { CHAIN_START, checkLink, headText, type SealedEvent } from '#core/audit-chain.ts';
import type { SignedHead } from '#ports/audit-trail.ts';

export interface AuditVerdict {
  /** Events that are as they were sealed, from the first. */
  readonly events: number;
  /** Up to here the chain is signed. */
  readonly signedTo: number;
  /** The first that is wrong; null: none is. */
  readonly problem: { readonly seq: number; readonly what: string } | null;
}

/**
 * Holds a chain, oldest event first, against itself and against the ends that were signed of it, and
 * stops at the first event that is wrong. Heads from a place that nobody can change also tell of a chain
 * that was cut or written anew as a whole.
 */
export async function verifyAudit(
  tenant: string,
  events: AsyncIterable<SealedEvent>,
  heads: AsyncIterable<SignedHead>,
): Promise<AuditVerdict> {
  const signed = heads[Symbol.asyncIterator]();
  const nextHead = async (): Promise<SignedHead | null> => {
    const { done, value } = await signed.next();
    return done === true ? null : value;
  };
  let head = await nextHead();
  let end = CHAIN_START;
  let signedTo = 0;
  const verdict = (problem: AuditVerdict['problem']): AuditVerdict => ({
    events: end.seq,
    signedTo,
    problem,
  });
  try {
    for await (const event of events) {
      const what = checkLink(tenant, end, event);
      if (what !== null) return verdict({ seq: end.seq + 1, what });
      end = { seq: event.seq, hash: event.hash };
      while (head !== null && head.seq <= end.seq) {
        const wrong = head.seq < end.seq ? 'heads are out of order' : checkHead(tenant, head, end);
        if (wrong !== null) return verdict({ seq: head.seq, what: wrong });
        signedTo = head.seq;
        head = await nextHead();
      }
    }
  } finally {
    await signed.return?.();
  }
  if (head === null) return verdict(null);
  const what = `events up to ${head.seq} were signed, and those after ${end.seq} are gone`;
  return verdict({ seq: end.seq + 1, what });
}

function checkHead(
  tenant: string,
  head: SignedHead,
  end: { readonly seq: number; readonly hash: string },
): string | null {
  const { kid, n, e, at, signature } = head;
  const thumbprint = createHash('sha256')
    .update(JSON.stringify({ e, kty: 'RSA', n }))
    .digest('base64url');
  if (thumbprint !== kid) return `the head of ${head.seq} names a key that it does not hold`;
  try {
    const key = createPublicKey({ key: { kty: 'RSA', n, e }, format: 'jwk' });
    const text = Buffer.from(headText(tenant, head, at));
    if (!verify('sha256', text, key, Buffer.from(signature, 'base64url'))) {
      return `the head of ${head.seq} is not signed by its key`;
    }
  } catch {
    // whoever wrote it may have written anything
    return `the head of ${head.seq} has no key and no signature that could be read`;
  }
  if (head.hash !== end.hash) return 'it was signed as something else: the chain was written anew';
  return null;
}
