import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseJsonBody } from '#contract/json-body.ts';
import { hasErrorCode } from '#core/errors.ts';

const LIMITS = { maxDepth: 64, maxMembers: 1_000 };

function codeOf(text: string, limits = LIMITS): string | null {
  try {
    parseJsonBody(text, limits);
    return null;
  } catch (error) {
    if (error instanceof Error && 'code' in error) return String(error.code);
    throw error;
  }
}

describe('parseJsonBody', () => {
  it('reads what JSON.parse reads', () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 5 }), (text) => {
        const value = JSON.parse(text);
        const code = codeOf(text, { maxDepth: 64, maxMembers: 1e6 });
        // What is refused is one of the things this parser exists to refuse.
        if (code === null)
          expect(parseJsonBody(text, { maxDepth: 64, maxMembers: 1e6 })).toEqual(value);
        else expect(code).toBe('REQUEST_MALFORMED');
      }),
      { seed: 7, numRuns: 500 },
    );
  });

  it('never throws anything but its own codes, whatever the text', () => {
    const characters = fc.constantFrom(...'{}[]",:\\u0dntrfalsE+-.1e9 \n\u0000\ud800');
    fc.assert(
      fc.property(fc.array(characters, { maxLength: 60 }), (parts) => {
        const text = parts.join('');
        let valid = true;
        try {
          JSON.parse(text);
        } catch {
          valid = false;
        }
        const code = codeOf(text);
        if (!valid) expect(code).toBe('REQUEST_MALFORMED');
      }),
      { seed: 11, numRuns: 2_000 },
    );
  });

  const refused: [string, string, string][] = [
    ['nothing', '', 'REQUEST_MALFORMED'],
    ['blanks', ' \n ', 'REQUEST_MALFORMED'],
    ['a cut document', '{"a":', 'REQUEST_MALFORMED'],
    ['an unended string', '{"a":"b', 'REQUEST_MALFORMED'],
    ['an unended string after an escaped quote', '"a\\"', 'REQUEST_MALFORMED'],
    ['a trailing comma', '[1,]', 'REQUEST_MALFORMED'],
    ['two documents', '{} {}', 'REQUEST_MALFORMED'],
    ['a byte order mark', '\ufeff{}', 'REQUEST_MALFORMED'],
    ['NaN', '[NaN]', 'REQUEST_MALFORMED'],
    ['Infinity', '[-Infinity]', 'REQUEST_MALFORMED'],
    ['1e400', '[1e400]', 'REQUEST_MALFORMED'],
    ['-1e400', '[-1e400]', 'REQUEST_MALFORMED'],
    ['1e130000', '[1e130000]', 'REQUEST_MALFORMED'],
    ['2^53', '[9007199254740992]', 'REQUEST_MALFORMED'],
    ['-2^53', '[-9007199254740992]', 'REQUEST_MALFORMED'],
    ['a number of 400 digits', `[${'9'.repeat(400)}]`, 'REQUEST_MALFORMED'],
    ['a key twice', '{"a":1,"a":2}', 'REQUEST_MALFORMED'],
    ['a key twice, once escaped', '{"a":1,"\\u0061":2}', 'REQUEST_MALFORMED'],
    ['a key twice, deeper', '[{"x":{"a":1,"b":[],"a":2}}]', 'REQUEST_MALFORMED'],
    ['__proto__', '{"__proto__":{}}', 'REQUEST_MALFORMED'],
    ['__proto__, escaped', '{"__pr\\u006fto__":{}}', 'REQUEST_MALFORMED'],
    ['U+0000', '["a\\u0000b"]', 'REQUEST_MALFORMED'],
    ['U+0000 in a key', '{"a\\u0000":1}', 'REQUEST_MALFORMED'],
    ['half a surrogate pair', '["\\ud800"]', 'REQUEST_MALFORMED'],
    ['the other half', '["\\udc00x"]', 'REQUEST_MALFORMED'],
    ['a raw half', '["\ud800"]', 'REQUEST_MALFORMED'],
    ['65 levels of arrays', '['.repeat(65) + ']'.repeat(65), 'PAYLOAD_TOO_DEEP'],
    ['65 levels of objects', `${'{"a":'.repeat(65)}1${'}'.repeat(65)}`, 'PAYLOAD_TOO_DEEP'],
    ['a million open brackets', '['.repeat(1_000_000), 'PAYLOAD_TOO_DEEP'],
    ['too many items', `[${'1,'.repeat(1_000)}1]`, 'PAYLOAD_TOO_LARGE'],
  ];
  it.each(refused)('refuses %s', (_, text, code) => {
    expect(codeOf(text)).toBe(code);
  });

  const accepted: [string, string][] = [
    ['a scalar', 'null'],
    ['the largest safe integer', '[9007199254740991,-9007199254740991]'],
    ['fractions and exponents', '[1.5,1e10,-0.25e-3,0]'],
    ['the same key in two objects', '[{"a":1},{"a":2}]'],
    ['a value that looks like a key', '{"a":"__proto__","b":"a"}'],
    ['a whole surrogate pair', '["\\ud83d\\ude00","😀"]'],
    ['64 levels', '['.repeat(64) + ']'.repeat(64)],
    ['escaped quotes and backslashes', '{"\\"a\\\\":"\\\\\\""}'],
  ];
  it.each(accepted)('takes %s', (_, text) => {
    expect(parseJsonBody(text, LIMITS)).toEqual(JSON.parse(text));
  });

  it('says where, and shows nothing of the document', () => {
    try {
      parseJsonBody('{"password":"hunter2", oops}', LIMITS);
      expect.unreachable();
    } catch (error) {
      expect(hasErrorCode(error, 'REQUEST_MALFORMED')).toBe(true);
      expect((error as Error).message).toBe('the body is not valid JSON at offset 23');
    }
  });

  it('takes a mebibyte in well under a second', () => {
    const text = JSON.stringify({ text: '\\"'.repeat(250_000) });
    const before = performance.now();
    parseJsonBody(text, LIMITS);
    expect(performance.now() - before).toBeLessThan(1_000);
  });
});
