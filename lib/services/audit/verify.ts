import { createHash, createPublicKey, verify } from 'node:crypto';
import { CHAIN_START, checkLink, headText, type SealedEvent } from '#core/audit-chain.ts';
import type { SignedHead } from '#ports/audit-trail.ts';

export interface AuditVerdict {
  /** Events that are as they were sealed, from the first. */
  readonly events: number;
  /** Up to here the chain is signed. */
  readonly signedTo: number;
  /** The first that is wrong, an event or the signed end of a chain at one; null: none is. */
  readonly problem: {
    readonly of: 'event' | 'head';
    readonly seq: number;
    readonly what: string;
  } | null;
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
  const verdict = (problem: AuditVerdict['problem'], events = end.seq): AuditVerdict => ({
    events,
    signedTo,
    problem,
  });
  try {
    for await (const event of events) {
      const what = checkLink(tenant, end, event);
      if (what !== null) return verdict({ of: 'event', seq: end.seq + 1, what });
      end = { seq: event.seq, hash: event.hash };
      while (head !== null && head.seq <= end.seq) {
        const { seq, hash } = head;
        const wrong = seq < end.seq ? 'it is not in its place' : checkHead(tenant, head);
        if (wrong !== null) return verdict({ of: 'head', seq, what: wrong });
        if (hash !== end.hash) {
          // Since the head before it anything may have been written anew.
          const what = 'it was signed as something else: the chain was written anew';
          return verdict({ of: 'event', seq, what }, signedTo);
        }
        signedTo = head.seq;
        head = await nextHead();
      }
    }
  } finally {
    await signed.return?.();
  }
  if (head === null) return verdict(null);
  // One that nobody signed proves no loss.
  const forged = checkHead(tenant, head);
  if (forged !== null) return verdict({ of: 'head', seq: head.seq, what: forged });
  const what = `events up to ${head.seq} were signed, and those after ${end.seq} are gone`;
  return verdict({ of: 'event', seq: end.seq + 1, what });
}

/** What is wrong with a head by itself; null: nothing. */
function checkHead(tenant: string, head: SignedHead): string | null {
  const { kid, n, e, at, signature } = head;
  const thumbprint = createHash('sha256')
    .update(JSON.stringify({ e, kty: 'RSA', n }))
    .digest('base64url');
  if (thumbprint !== kid) return 'it names a key that it does not hold';
  try {
    const key = createPublicKey({ key: { kty: 'RSA', n, e }, format: 'jwk' });
    const text = Buffer.from(headText(tenant, head, at));
    if (!verify('sha256', text, key, Buffer.from(signature, 'base64url'))) {
      return 'it is not signed by its key';
    }
  } catch {
    // whoever wrote it may have written anything
    return 'it has no key and no signature that could be read';
  }
  return null;
}
