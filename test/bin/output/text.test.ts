import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  count,
  cutTo,
  duration,
  elapsed,
  instant,
  jsonText,
  printable,
  printableInPlace,
  withoutControls,
  wrap,
} from '../../../bin/output/text.ts';
import { HOSTILE, RAW } from './hostile.ts';

describe('text of strangers', () => {
  it.each(Object.entries(HOSTILE))('that %s is shown, not obeyed', (_, text) => {
    expect(text).toMatch(RAW);
    for (const safe of [printable(text), withoutControls(text), jsonText({ [text]: text }, 2)]) {
      expect(safe).not.toMatch(RAW);
    }
    expect(printableInPlace(text)).not.toMatch(RAW);
    expect(printableInPlace(text)).toHaveLength(text.length);
    expect(JSON.parse(jsonText({ [text]: text }))).toEqual({ [text]: text });
  });

  it('whatever it is, comes out on one line, and as the same document', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 0xffff })), (units) => {
        const text = String.fromCharCode(...units);
        expect(printable(text)).not.toMatch(/\n/);
        expect(printable(text)).not.toMatch(RAW);
        expect(JSON.parse(jsonText([text], 2))).toEqual([text]);
      }),
    );
  });

  it('shows line ends and tabs as people know them', () => {
    expect(printable('a\nb\tc\rd')).toBe('a⏎b\\tc\\rd');
    expect(printable('\u001b[31m')).toBe('\\u001b[31m');
    expect(printable('\u{e0041}')).toBe('\\udb40\\udc41');
  });

  it('leaves ordinary words of all languages alone', () => {
    for (const text of ['Grüße', '日本語', 'שלום', 'क्ष', '👩‍👩‍👧', 'a → b ✓']) {
      expect(printable(text)).toBe(text);
    }
  });

  it('keeps line ends and our own colours, and nothing else', () => {
    expect(withoutControls('\u001b[31mred\u001b[39m\nnext\u001b[2J')).toBe(
      '\u001b[31mred\u001b[39m\nnext\\u001b[2J',
    );
  });
});

describe('widths', () => {
  it('cuts with an ellipsis, never inside a character', () => {
    expect(cutTo('abcdef', 6)).toBe('abcdef');
    expect(cutTo('abcdef', 4)).toBe('abc…');
    expect(cutTo('😀😀😀', 2)).toBe('😀…');
    expect(cutTo('abc', Number.POSITIVE_INFINITY)).toBe('abc');
  });

  it('wraps between words, and inside a word that is too long', () => {
    expect(wrap('one two three', 8)).toEqual(['one two', 'three']);
    expect(wrap('abcdefghijkl', 8)).toEqual(['abcdefgh', 'ijkl']);
    expect(wrap('as it is', Number.POSITIVE_INFINITY)).toEqual(['as it is']);
    expect(wrap('', 20)).toEqual(['']);
  });

  it('loses no word and exceeds no width', () => {
    fc.assert(
      fc.property(fc.string(), fc.integer({ min: 8, max: 60 }), (text, width) => {
        const lines = wrap(text, width);
        expect(lines.join('').replaceAll(' ', '')).toBe(text.replaceAll(' ', ''));
        for (const line of lines) expect([...line].length).toBeLessThanOrEqual(width);
      }),
    );
  });
});

describe('lengths of time', () => {
  it.each([
    [0, '0 ms', '+0ms'],
    [12.4, '12 ms', '+12ms'],
    [999.7, '1.0 s', '+1.0s'],
    [1_449, '1.4 s', '+1.4s'],
    [59_940, '59.9 s', '+59.9s'],
    [59_970, '1 min 0 s', '+1m0s'],
    [200_000, '3 min 20 s', '+3m20s'],
    [3_599_900, '1 h 0 min', '+1h0m'],
    [5_400_000, '1 h 30 min', '+1h30m'],
    [86_400_000, '1 d 0 h', '+1d0h'],
    [31_536_000_000, '365 d 0 h', '+365d0h'],
  ])('%i ms', (milliseconds, long, short) => {
    expect(duration(milliseconds)).toBe(long);
    expect(elapsed(milliseconds)).toBe(short);
  });

  it('never says 60 of what has a larger name', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 10_000_000_000 }), (milliseconds) => {
        expect(duration(milliseconds)).not.toMatch(/\b60(\.0)? (s|min)\b|\b24 h\b|\b1000 ms\b/);
      }),
    );
  });

  it('shows instants as people read them', () => {
    expect(instant('2026-11-22T12:37:48.307Z')).toBe('2026-11-22 12:37:48');
    expect(instant('2026-11-22T12:37:48Z')).toBe('2026-11-22 12:37:48');
  });

  it('counts', () => {
    expect([0, 1, 2].map((n) => count(n, 'step'))).toEqual(['0 steps', '1 step', '2 steps']);
  });
});
