import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createFrameReader, encodeFrame } from '#evaluator/protocol.ts';

describe('frames', () => {
  it('come out as they went in, however the stream is cut', () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ unit: 'grapheme', maxLength: 20 }), { maxLength: 6 }),
        fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 40 }),
        (texts, cuts) => {
          const stream = Buffer.concat(texts.map((text) => encodeFrame(text)));
          const seen: string[] = [];
          const reader = createFrameReader(1_000, (json) => seen.push(json));
          let at = 0;
          for (let i = 0; at < stream.length; i++) {
            const size = cuts[i % cuts.length] ?? 1;
            reader.accept(stream.subarray(at, at + size));
            at += size;
          }
          expect(seen).toEqual(texts);
        },
      ),
    );
  });

  it('are refused when they announce too much', () => {
    const reader = createFrameReader(10, () => undefined);
    expect(() => reader.accept(encodeFrame('x'.repeat(11)))).toThrow(RangeError);
  });
});
