import {
  DecryptCommand,
  EncryptCommand,
  IncorrectKeyException,
  InvalidCiphertextException,
  type KMSClient,
} from '@aws-sdk/client-kms';
import { MAX_SEALED_BYTES, SealBroken, type Sealer } from '#ports/sealer.ts';

/**
 * Seals under one symmetric key of KMS. The purpose is the encryption context, so that it also stands
 * in the trail of who opened what.
 */
export function createKmsSealer(deps: {
  readonly client: KMSClient;
  /** Id or ARN. */
  readonly keyId: string;
}): Sealer {
  const { client, keyId: KeyId } = deps;
  return {
    async seal(purpose, plain) {
      if (plain.byteLength > MAX_SEALED_BYTES) {
        throw new TypeError(`${plain.byteLength} bytes to seal; use at most ${MAX_SEALED_BYTES}`);
      }
      const { CiphertextBlob } = await client.send(
        new EncryptCommand({ KeyId, Plaintext: plain, EncryptionContext: { purpose } }),
      );
      if (CiphertextBlob === undefined) throw new Error('KMS answered without what it sealed');
      return CiphertextBlob;
    },
    async open(purpose, sealed) {
      try {
        const { Plaintext } = await client.send(
          // With the key named, KMS opens nothing that was sealed under a key of somebody else's.
          new DecryptCommand({
            KeyId,
            CiphertextBlob: sealed,
            EncryptionContext: { purpose },
          }),
        );
        if (Plaintext === undefined) throw new Error('KMS answered without what it opened');
        return Plaintext;
      } catch (error) {
        if (error instanceof InvalidCiphertextException || error instanceof IncorrectKeyException) {
          throw new SealBroken(purpose, { cause: error });
        }
        throw error;
      }
    },
  };
}
