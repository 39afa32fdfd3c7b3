import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { locate } from '#core/dsl/locate.ts';

const TEXT = `{
  "a": [1, {"b": "x\\"]"},
   true],
 "c": {"d/e": null, "~": 0}
}`;

describe('locate', () => {
  it.each([
    ['', 1, 1],
    ['/a', 2, 3],
    ['/a/0', 2, 9],
    ['/a/1', 2, 12],
    ['/a/1/b', 2, 13],
    ['/a/2', 3, 4],
    ['/c/d~1e', 4, 8],
    ['/c/~0', 4, 21],
  ])('finds %s', (pointer, line, column) => {
    expect(locate(TEXT, pointer)).toEqual({ line, column });
  });

  it('stops at the nearest place that is there', () => {
    expect(locate(TEXT, '/a/9/x')).toEqual({ line: 2, column: 3 });
    expect(locate(TEXT, '/z')).toEqual({ line: 1, column: 1 });
    expect(locate('', '/a')).toEqual({ line: 1, column: 1 });
    expect(locate('{"a": [', '/a/0')).toEqual({ line: 1, column: 2 });
  });

  it('finds every value of any JSON, however it is written', () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 3 }), { minKeys: 1 }),
        (value) => {
          const text = JSON.stringify(value, null, 2);
          const keys = Object.keys(value);
          const key = keys[keys.length - 1]!;
          const pointer = `/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`;
          const { line, column } = locate(text, pointer);
          const rest = text.split('\n')[line - 1]!.slice(column - 1);
          expect(rest.startsWith(`${JSON.stringify(key)}:`)).toBe(true);
        },
      ),
    );
  });

  it('answers for nesting without end', () => {
    expect(locate(`{"a":${'['.repeat(100_000)}`, '/b')).toEqual({ line: 1, column: 1 });
  });
});
