import { sha256Hex } from './hash.ts';
import { canonicalJson, isJsonObject, type Json, type JsonObject } from './json.ts';

/**
 * The chain that the audit trail of a tenant is: each event's hash covers its content and the hash of the
 * event before, so whoever changes, takes away or puts in one event breaks every hash after it.
 *
 *  A1 `seq` counts from 1 without a gap, and every event says of which tenant and at which place it is;
 *  A2 the content is hashed as the text that is kept, never as something that is written out anew;
 *  A3 what tells of a person (source, client) is outside; the content holds a salted hash of it, so that
 *     it can be erased without breaking the chain and cannot be exchanged.
 */
export interface AuditFacts {
  readonly id: string;
  /** Business time, milliseconds. */
  readonly at: number;
  /** `user:<id>`, `key:<key id>`, `callback`, `operator`, `platform` or `unknown`. */
  readonly actor: string;
  readonly mode: 'live' | 'test' | null;
  /** Operation of the API, or of the platform itself. */
  readonly operation: string;
  /** What it was done to: `workflow:order`, `user:<id>`. */
  readonly target: string | null;
  readonly outcome: AuditOutcome;
  /** Of the refusal or failure. */
  readonly code: string | null;
  readonly request_id: string | null;
  readonly correlation_id: string | null;
  readonly details: JsonObject;
}

/** Owner of the chain of what belongs to no tenant: refusals of strangers, and the platform's own doing. */
export const PLATFORM_TENANT = '00000000-0000-0000-0000-000000000000';

export const AUDIT_OUTCOMES = ['done', 'refused', 'failed', 'unknown'] as const;
/** `unknown`: a change was about to be made, and no end of it was ever told. */
export type AuditOutcome = (typeof AUDIT_OUTCOMES)[number];

/** An end of a chain: that of an empty one is `CHAIN_START`. */
export interface ChainEnd {
  readonly seq: number;
  /** Lower-case hexadecimal. */
  readonly hash: string;
}

export const CHAIN_START: ChainEnd = { seq: 0, hash: '0'.repeat(64) };

export interface SealedEvent extends ChainEnd {
  readonly content: string;
  /** With its salt; null: there was none, or it was erased. */
  readonly personal: JsonObject | null;
}

export function sealEvent(
  tenant: string,
  after: ChainEnd,
  facts: AuditFacts,
  personal: JsonObject | null,
): SealedEvent {
  const seq = after.seq + 1;
  const content = canonicalJson({
    ...facts,
    tenant,
    seq,
    personal: personal === null ? null : sha256Hex(canonicalJson(personal)),
  } as unknown as Json);
  return { seq, content, personal, hash: linkHash(after.hash, content) };
}

/** What is wrong with the next event of a chain, in a sentence; null: nothing. */
export function checkLink(tenant: string, after: ChainEnd, event: SealedEvent): string | null {
  if (event.seq !== after.seq + 1) {
    return `follows ${after.seq} as ${event.seq}: ${event.seq > after.seq ? 'events between them are gone' : 'it is out of order'}`;
  }
  if (event.hash !== linkHash(after.hash, event.content)) {
    return 'its content or an event before it is not what was sealed';
  }
  const content = parse(event.content);
  if (content?.['seq'] !== event.seq) return 'its content is of another place';
  if (content['tenant'] !== tenant) return 'its content is of another tenant';
  if (event.personal !== null && content['personal'] !== sha256Hex(canonicalJson(event.personal))) {
    return 'its source or client is not what was sealed';
  }
  return null;
}

/** What a head's signature is over. */
export function headText(tenant: string, end: ChainEnd, at: number): string {
  return canonicalJson({ audit_head: 1, tenant, seq: end.seq, hash: end.hash, at });
}

function linkHash(before: string, content: string): string {
  return sha256Hex(`${before}${content}`);
}

function parse(content: string): JsonObject | null {
  try {
    const value: unknown = JSON.parse(content);
    return isJsonObject(value) ? value : null;
  } catch {
    return null; // Not what was sealed, whatever it is.
  }
}
