import type { Json } from '#core/json.ts';
import type { RecordKey, RecordPage, RecordRange } from '#core/record.ts';

/**
 * Small records, most of which expire: revocations, lock-outs, connections of WebSockets. Every read
 * sees every write that was answered before it.
 *
 *  K1 a record belongs to one tenant; no key, prefix or page reaches another's.
 *  K2 what has expired is not there, for reads and for conditions alike, deleted or not.
 *  K3 a version names one write: a record that was deleted and made anew has none of its old versions.
 *  K4 an adapter that repeats a write because its answer was lost finds its own write and says so.
 *
 * Keys and contents that cannot be (`#core/record.ts`) are a TypeError, before the store is asked.
 */
export interface KeyValue {
  get(key: RecordKey): Promise<StoredRecord | null>;
  /**
   * Writes over the record of version `over` and no other; null: only where nothing is. Value and
   * expiry are replaced whole.
   */
  put(key: RecordKey, over: string | null, content: RecordContent): Promise<PutAnswer>;
  /**
   * Deletes what is there, or only that version of it. False: nothing of the kind is there, so of many
   * that delete one record at most one is told true.
   */
  delete(key: RecordKey, version?: string): Promise<boolean>;
  /** By id. A page may be shorter than its limit while more follow: only a `next` of null is the end. */
  list(range: RecordRange, page: RecordPage): Promise<RecordList>;
}

export interface RecordContent {
  /** Sealed like every payload. */
  readonly value: Json;
  /** Business time in milliseconds from which on the record is gone; null: it stays. */
  readonly expiresAt: number | null;
}

export interface StoredRecord extends RecordContent {
  readonly version: string;
}

export type PutAnswer =
  | { readonly kind: 'written'; readonly version: string }
  /** Nothing was written. `found` is there instead; null: nothing is. */
  | { readonly kind: 'conflict'; readonly found: StoredRecord | null };

export interface RecordList {
  readonly items: readonly (StoredRecord & { readonly id: string })[];
  readonly next: string | null;
}
