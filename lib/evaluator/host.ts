import { createHash, randomUUID } from 'node:crypto';
import type { ExpressionHost, HashAlgorithm } from '#core/expr/function-context.ts';
import { ExpressionFault } from '#core/expr/outcome.ts';

const NODE_NAMES: { readonly [A in HashAlgorithm]: string } = {
  MD5: 'md5',
  'SHA-1': 'sha1',
  'SHA-256': 'sha256',
  'SHA-384': 'sha384',
  'SHA-512': 'sha512',
};

/**
 * What expressions may ask of the machine. Time and chance are for the Step Functions dialect alone,
 * where the recorded result of a state is what is replayed; the portable language has neither.
 */
export function createNodeHost(now: () => number | null): ExpressionHost {
  return {
    hash: (algorithm, text) => createHash(NODE_NAMES[algorithm]).update(text, 'utf8').digest('hex'),
    base64Encode: (text) => Buffer.from(text, 'utf8').toString('base64'),
    base64Decode: (text) => Buffer.from(text, 'base64').toString('utf8'),
    now() {
      const at = now();
      if (at === null) throw new ExpressionFault('error', 'there is no clock to read here');
      return at;
    },
    uuid: () => randomUUID(),
    random: () => Math.random(),
  };
}
