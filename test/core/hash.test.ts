import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { sha256Hex } from '#core/hash.ts';

it('is SHA-256 of the UTF-8 bytes, at every length around a block and for any text', () => {
  const reference = (text: string) => createHash('sha256').update(text).digest('hex');
  for (let length = 0; length < 200; length++) {
    const text = 'x'.repeat(length);
    expect(sha256Hex(text)).toBe(reference(text));
  }
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', maxLength: 500 }), (text) => {
      expect(sha256Hex(text)).toBe(reference(text));
    }),
  );
});
