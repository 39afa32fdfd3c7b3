import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';
import { isJsonObject, type JsonObject } from '#core/json.ts';
import { AwsError, type Service, textOf } from './server.ts';

/** Target of KMS's requests. */
export const KEYS = 'TrentService';

const MAX_PLAIN_BYTES = 4_096;

/** Emulates encryption under symmetric keys of KMS: every key that is named exists, in memory. */
export function createKeysService(): Service {
  const secret = randomBytes(32);
  const keyOf = (id: string) => createHash('sha256').update(secret).update(id).digest();

  return {
    Encrypt(input) {
      const id = textOf(input, 'KeyId');
      const plain = Buffer.from(textOf(input, 'Plaintext'), 'base64');
      if (plain.byteLength < 1 || plain.byteLength > MAX_PLAIN_BYTES) {
        throw new AwsError('ValidationException', `Plaintext has ${plain.byteLength} bytes`);
      }
      const iv = randomBytes(12);
      const cipher = createCipheriv('aes-256-gcm', keyOf(id), iv).setAAD(contextOf(input));
      const text = Buffer.concat([cipher.update(plain), cipher.final()]);
      const blob = Buffer.concat([iv, cipher.getAuthTag(), text]);
      return { KeyId: id, CiphertextBlob: blob.toString('base64') };
    },
    Decrypt(input) {
      const id = textOf(input, 'KeyId');
      const blob = Buffer.from(textOf(input, 'CiphertextBlob'), 'base64');
      try {
        const decipher = createDecipheriv('aes-256-gcm', keyOf(id), blob.subarray(0, 12), {
          authTagLength: 16,
        })
          .setAAD(contextOf(input))
          .setAuthTag(blob.subarray(12, 28));
        const plain = Buffer.concat([decipher.update(blob.subarray(28)), decipher.final()]);
        return { KeyId: id, Plaintext: plain.toString('base64') };
      } catch {
        throw new AwsError('InvalidCiphertextException', 'it was not encrypted like this');
      }
    },
  };
}

/** The context is bound to what was encrypted, whatever the order of its members. */
function contextOf(input: JsonObject): Buffer {
  const context = input['EncryptionContext'];
  const members = context !== undefined && isJsonObject(context) ? Object.entries(context) : [];
  return Buffer.from(JSON.stringify(members.sort(([a], [b]) => (a < b ? -1 : 1))));
}
