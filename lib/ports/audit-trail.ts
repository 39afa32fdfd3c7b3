import type { AuditFacts, AuditOutcome, SealedEvent } from '#core/audit-chain.ts';
import type { JsonObject } from '#core/json.ts';
import type { Page, PageRequest } from './execution-store.ts';

/** Where the audit trail is told and read. What was told is durable when it resolves. */
export interface AuditTrail {
  tell(entry: AuditEntry): Promise<void>;
  /** Events that are sealed, by `seq`. */
  list(tenant: string, filter: AuditFilter, page: PageRequest): Promise<Page<SealedEvent>>;
  /** Signed heads by `seq`, ascending. */
  heads(tenant: string, page: PageRequest): Promise<Page<SignedHead>>;
}

/** Of a change first `begun`, before it is made, then `ended`, with the same id; of all else `whole`. */
export type AuditEntry = {
  readonly tenant: string;
  readonly id: string;
} & (
  | { readonly part: 'begun' | 'whole'; readonly facts: AuditFacts; readonly personal: JsonObject }
  | { readonly part: 'ended'; readonly end: AuditEnd }
);

export interface AuditEnd extends Pick<AuditFacts, 'at' | 'code' | 'details' | 'target'> {
  readonly outcome: AuditOutcome;
}

export interface AuditFilter {
  readonly actor: string | null;
  readonly operation: string | null;
  readonly target: string | null;
  readonly outcome: AuditOutcome | null;
  /** Business time in milliseconds: not before, and before. */
  readonly from: number | null;
  readonly to: number | null;
  readonly order: 'newest' | 'oldest';
}

/** The end of a chain at some time, signed: what is before it cannot be changed unseen. */
export interface SignedHead {
  readonly tenant: string;
  readonly seq: number;
  readonly hash: string;
  readonly at: number;
  readonly kid: string;
  /** RS256 over `headText`, in base64url. */
  readonly signature: string;
  readonly n: string;
  readonly e: string;
}

/** What takes the entries that were told into the chains. One process at a time does. */
export interface AuditSealer {
  /**
   * Seals what has been told, at most `limit` entries, and answers how many it took. A change whose end
   * was not told within `patienceMs` of real time is sealed as `unknown`. Zero: nothing is ready, or
   * another process seals.
   */
  seal(limit: number, patienceMs: number): Promise<number>;
  /** Chains that grew since they were signed. */
  unsigned(limit: number): Promise<readonly UnsignedChain[]>;
  /** Events of one chain beyond `after`, oldest first. */
  events(tenant: string, after: number, limit: number): Promise<readonly SealedEvent[]>;
  sign(head: SignedHead): Promise<void>;
}

export interface UnsignedChain {
  readonly tenant: string;
  readonly seq: number;
  readonly hash: string;
  readonly signedSeq: number;
}
