import type { ObjectKey } from '#core/object-key.ts';
import { type NewObject, ObjectTooLarge } from '#ports/object-store.ts';

/** The pieces of a body, which ends with `ObjectTooLarge` where it passes its limit. */
export async function* boundedBody(
  key: ObjectKey,
  { body, maxBytes }: Pick<NewObject, 'body' | 'maxBytes'>,
): AsyncGenerator<Uint8Array> {
  let bytes = 0;
  for await (const piece of body instanceof Uint8Array ? [body] : body) {
    bytes += piece.byteLength;
    if (bytes > maxBytes) throw new ObjectTooLarge(key, maxBytes);
    yield piece;
  }
}
