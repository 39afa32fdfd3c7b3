import type { Json } from '#core/json.ts';

/**
 * How payloads (inputs, outputs, events, signals) lie in a column. Every stored text names the key
 * it was written with, so keys can rotate and a subject's key can be destroyed without rewriting.
 */
export interface PayloadCodec {
  encode(value: Json, tenant: string): string;
  /** Throws `PayloadUnreadable` when the key is unknown or the text was tampered with. */
  decode(text: string, tenant: string): Json;
}

/** A stored payload whose key is gone (erased) or which is not what was written. */
export class PayloadUnreadable extends Error {
  readonly keyId: string;

  constructor(keyId: string, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'PayloadUnreadable';
    this.keyId = keyId;
  }
}
