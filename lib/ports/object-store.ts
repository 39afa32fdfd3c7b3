import type { ObjectKey, ObjectPage, ObjectRange } from '#core/object-key.ts';

/**
 * Whole objects that are written once and read rarely: audit trails, archives, exports.
 *
 *  O1 an object belongs to one tenant; no path, prefix or page reaches another's.
 *  O2 nobody sees half an object: it is there whole or not at all, whatever became of its writer.
 *  O3 no object is held in memory: a stream takes a few pieces of it, and never more than `maxBytes`.
 *
 * Keys that cannot be (`#core/object-key.ts`) are a TypeError, before the store is asked.
 */
export interface ObjectStore {
  /**
   * Durable when it resolves. `exists`: `onlyIfAbsent` was set and something is there, which may be this
   * very object when an earlier try had arrived. Throws `ObjectTooLarge`, and whatever the body throws.
   */
  put(key: ObjectKey, object: NewObject): Promise<'stored' | 'exists'>;
  get(key: ObjectKey): Promise<StoredObject | null>;
  /** By path, byte by byte. `next` is null at the end. */
  list(range: ObjectRange, page: ObjectPage): Promise<ObjectList>;
  /** Deleting what is not there is harmless. */
  delete(key: ObjectKey): Promise<void>;
}

export interface NewObject {
  readonly body: Uint8Array | AsyncIterable<Uint8Array>;
  /** As `application/json`. */
  readonly contentType: string;
  /** Else what is there is replaced. */
  readonly onlyIfAbsent: boolean;
  readonly maxBytes: number;
}

export interface StoredObject {
  readonly contentType: string;
  readonly bytes: number;
  /** Read it to its end, or leave its loop: what is left alone holds a connection or a file. */
  readonly body: AsyncIterable<Uint8Array>;
}

export interface ObjectList {
  readonly items: readonly { readonly path: string; readonly bytes: number }[];
  readonly next: string | null;
}

export class ObjectTooLarge extends Error {
  constructor({ path }: ObjectKey, maxBytes: number) {
    super(`${path} would be larger than ${maxBytes} bytes`);
    this.name = 'ObjectTooLarge';
  }
}
