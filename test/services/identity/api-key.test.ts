import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { makeApiKey, parseApiKey, sameDigest } from '#services/identity/api-key.ts';

describe('API keys', () => {
  it('have the form that is promised, and read back', () => {
    for (const mode of ['live', 'test'] as const) {
      const made = makeApiKey(mode, randomBytes);
      expect(made.text).toMatch(new RegExp(`^cfk_${mode}_[0-9A-Za-z]{32}$`));
      expect(made.keyId).toBe(made.text.slice(9, 17));
      const parsed = parseApiKey(made.text);
      expect(parsed).toEqual(made);
      expect(sameDigest(made.digest, parsed?.digest ?? new Uint8Array())).toBe(true);
    }
  });

  it('one wrong character is noticed without asking anybody', () => {
    const { text } = makeApiKey('live', randomBytes);
    const other = fc.constantFrom(
      ...'0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz',
    );
    fc.assert(
      fc.property(fc.integer({ min: 9, max: 40 }), other, (at, character) => {
        const mistyped = text.slice(0, at) + character + text.slice(at + 1);
        if (mistyped !== text) expect(parseApiKey(mistyped)).toBeNull();
      }),
      { seed: 5, numRuns: 500 },
    );
  });

  it('no other text is one', () => {
    for (const text of [
      '',
      'cfk_live_',
      `cfk_prod_${'a'.repeat(32)}`,
      `cfk_live_${'a'.repeat(32)}`,
    ]) {
      expect(parseApiKey(text), text).toBeNull();
    }
  });

  it('every character is as likely as any other', () => {
    const counts = new Map<string, number>();
    for (let i = 0; i < 4_000; i++) {
      for (const character of makeApiKey('live', randomBytes).text.slice(9, 35)) {
        counts.set(character, (counts.get(character) ?? 0) + 1);
      }
    }
    const expected = (4_000 * 26) / 62;
    expect(counts.size).toBe(62);
    for (const count of counts.values())
      expect(Math.abs(count - expected)).toBeLessThan(expected / 4);
  });
});
