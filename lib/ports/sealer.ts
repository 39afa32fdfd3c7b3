/**
 * Seals small secrets of the platform itself, so that they may lie in a database. Who has what was sealed
 * has nothing; who may open is decided by the key behind the adapter.
 */
export interface Sealer {
  /**
   * At most `MAX_SEALED_BYTES`. `purpose` says what for, is no secret itself, and must be named again to
   * open: what was sealed for one purpose cannot be passed off as something else.
   */
  seal(purpose: string, plain: Uint8Array): Promise<Uint8Array>;
  /** Throws `SealBroken` on what was sealed for another purpose, under another key, or was changed. */
  open(purpose: string, sealed: Uint8Array): Promise<Uint8Array>;
}

/** What KMS encrypts in one request, without a data key in between. */
export const MAX_SEALED_BYTES = 4_096;

export class SealBroken extends Error {
  constructor(purpose: string, options?: { cause?: unknown }) {
    super(
      `${purpose} was changed, sealed for something else, or sealed under another key`,
      options,
    );
    this.name = 'SealBroken';
  }
}
