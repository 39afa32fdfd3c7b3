import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { findSyntaxProblem } from '../../../bin/output/json-syntax.ts';

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

describe('where a text stops being JSON', () => {
  it.each([
    ['', 1, 1, 'the text ends here', 'a value'],
    ['{\n  "a": [}\n', 2, 9, "'}' is not expected here", "a value or ']'"],
    ['{"a": 1,}', 1, 9, "a comma stands before '}'", "no comma before '}'"],
    ['[1, 2,\n]', 2, 1, "a comma stands before ']'", "no comma before ']'"],
    ['{"a": 1 "b": 2}', 1, 9, "'\"' is not expected here", "',' or '}'"],
    ['{"a" 1}', 1, 6, "'1' is not expected here", "':'"],
    ['{a: 1}', 1, 2, "'a' is not expected here", 'a key in double quotes'],
    ["{'a': 1}", 1, 2, 'single quotes', 'double quotes'],
    ['{"a": True}', 1, 7, "'True' is a word without quotes", 'a text in double quotes'],
    ['{"a": 01}', 1, 7, "'01' is not a number of JSON", 'a text in double quotes'],
    ['{"a": 1} x', 1, 10, "'x' is not expected here", 'the end'],
    ['{"a": "b\n"}', 1, 7, 'this text has no end', 'a closing'],
    ['{"a": "\\q"}', 1, 8, 'a backslash that escapes nothing', '\\\\ for'],
    ['{"a": "\t"}', 1, 8, 'a control character inside a text', 'an escape'],
    ['// hello\n{}', 1, 1, 'JSON has no comments', 'a value'],
    ['{"a": [1}', 1, 9, "'}' closes what was opened with '['", "',' or ']'"],
    ['{"a": {"b": 1}', 1, 15, 'the text ends here', "',' or '}'"],
    ['\ufeff{}', 1, 1, "'\ufeff' is not expected here", 'a value'],
  ])('%j', (text, line, column, message, allowed) => {
    expect(isJson(text)).toBe(false);
    const found = findSyntaxProblem(text);
    expect(found).toMatchObject({ line, column, message });
    expect(found?.allowed).toContain(allowed);
  });

  it('is nowhere in JSON', () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 4 }), fc.constantFrom(0, 2), (text, indent) => {
        expect(findSyntaxProblem(JSON.stringify(JSON.parse(text), null, indent))).toBeNull();
      }),
    );
  });

  it('agrees with the parser about every damaged document', () => {
    const damage = fc.tuple(
      fc.json({ maxDepth: 3 }),
      fc.nat(),
      fc.constantFrom('', '"', ',', '}', ']', '{', '[', ':', '\\', '0', 'e', '-', '.', '\n', 'x'),
      fc.constantFrom(0, 1, 2),
    );
    fc.assert(
      fc.property(damage, ([text, at, what, removed]) => {
        const place = at % (text.length + 1);
        const damaged = text.slice(0, place) + what + text.slice(place + removed);
        expect(findSyntaxProblem(damaged) === null).toBe(isJson(damaged));
      }),
      { numRuns: 3_000 },
    );
  });

  it('needs no stack for depth', () => {
    expect(findSyntaxProblem('['.repeat(200_000))).toMatchObject({ line: 1, column: 200_001 });
  });
});
