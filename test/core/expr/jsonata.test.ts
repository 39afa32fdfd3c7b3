import jsonata from 'jsonata';
import { describe, expect, it } from 'vitest';
import { evaluateSimple } from '#core/expr/evaluate-simple.ts';
import { functionsFor } from '#core/expr/functions.ts';
import type { Dialect } from '#core/expr/limits.ts';
import { parseExpression } from '#core/expr/parse.ts';
import { Meter } from '#core/expr/values.ts';
import { evaluate, host } from '#test/core/expr/support.ts';

const value = async (source: string, bindings = {}, dialect: Dialect = 'portable') => {
  const result = await evaluate(source, bindings, dialect);
  if (!result.ok) throw new Error(`${result.reason}: ${result.message}`);
  return result.value;
};

// Small values through every function that we replaced: the answers must be jsonata's own.
const SAME = [
  '$pad("abc", 6)',
  '$pad("abc", -6, "#")',
  '$pad("abc", 8, "12")',
  '$pad("abc", 2)',
  '$pad("é😀", 5, "😀x")',
  '$pad("a", 4.7)',
  '$pad("abc", 5, "")',
  '$pad($none, 5)',
  '$length("")',
  '$length("a😀é")',
  '$map(["", "😀", "abc"], $length)',
  '$substring("abcdef", 2)',
  '$substring("abcdef", -2)',
  '$substring("abcdef", -9, 2)',
  '$substring("abcdef", 1.9, 2.9)',
  '$substring("abcdef", 1, 0)',
  '$substring("a😀b😀c", 1, 3)',
  '$substring("a😀b😀c", -2)',
  '$substring("abc", $none)',
  '$substring("abc", $none, 2)',
  '$map(["abc", "de"], $substring(?, 1))',
  '$keys({"b": 1, "a": 2, "1": 3})',
  '$keys([{"b": 1, "2": 1}, [{"a": 2, "1": 1}], 3, {"b": 4}])',
  '$keys([])',
  '$keys("x")',
  '$keys($sum)',
  '$merge([{"a": 1, "b": 2}, {"a": 3, "1": 4}])',
  '$merge({"a": 1})',
  '$merge([])',
  '$merge($none)',
  '$join(["a", "b", "c"], "-")',
  '$join(["a"])',
  '$join("a", ",")',
  '$join([], ",")',
  '$split("a,b,c", ",")',
  '$split("a,b,c", ",", 2)',
  '$split("abc", "")',
  '$split("", ",")',
  '$split("a", ",", 0)',
  '$replace("a.b.a", "a", "x")',
  '$replace("a.b.a", "a", "$0", 1)',
  '$replace("aaaa", "aa", "b")',
  '$string(0.1 + 0.2)',
  '$string([1, {"a": null}])',
  '$string({"a": [1, 2]}, true)',
  '$string($sum)',
  '$map([1, 2.5, true], $string)',
  '$map(["a", "b"], $pad(?, 3))',
  '$map(["a,b", "c"], $split(?, ","))',
  '$append([1], [2, 3])',
  '$append(1, 2)',
  '$append($none, 2)',
  '$append(1, $none)',
  '$append([1, 2], [[3]])',
  '$sort([3, 1, 2])',
  '$sort(["b", "a"])',
  '$sort([3, 1, 2], function($a, $b) { $a < $b })',
  '$sort([{"k": 1, "v": "a"}, {"k": 0, "v": "b"}, {"k": 1, "v": "c"}], function($a, $b) { $a.k > $b.k })',
  '$sort([1])',
  '$sort($none)',
  '[3, 1, 2]^(>$)',
  '$distinct([1, 2, 1, "1", null, null, {"a": 1}, {"a": 1}, [1], [1]])',
  '$distinct([1])',
  '$distinct(3)',
  '$count($distinct([{"a": [1]}, {"a": [1]}, {"a": 1}]))',
  '$spread({"a": 1, "b": [2]})',
  '$spread([{"a": 1}, {"b": 2}, 3])',
  '$spread("x")',
  '$spread({"a": 1})',
  '$zip([1, 2, 3], [4, 5])',
  '$zip([1], 2)',
  '$formatNumber(1234.5, "#,##0.00")',
  '$formatNumber(-0.14, "01%")',
  '$formatNumber(1234.5678, "00.000e0")',
  '$formatInteger(1999, "I")',
  '$formatInteger(12, "w")',
  '$formatInteger(1234567, "#,##0")',
  '$parseInteger("twelve", "w")',
  '$toMillis("2020-01-02T03:04:05.678Z")',
  '$toMillis("02/01/2020", "[D01]/[M01]/[Y0001]")',
  '$fromMillis(1577934245678)',
  '$fromMillis(1577934245678, "[Y0001]-[M01]-[D01] [H01]:[m01]", "+0200")',
  '"a" & 1 & null & true & [1, 2] & {"a": 1} & $none',
  '1 & 2',
  '$base64encode("hello")',
  '$base64decode("aGVsbG8=")',
  '$reduce([1..5], function($a, $b) { $a * $b })',
  '{"a": [1..3], "b": $map([1..3], function($x) { $x > 1 ? $x })}',
  '$merge([{"a": 1}, {"b": 2}])',
  '{"a": 1} ~> |$|{"b": 2}, ["a"]|',
  '[1..3].($ * 2)',
  '[[1, 2], [3]].$',
  '($x := [1, 2]; [$x, 3])',
];

describe('the full evaluator', () => {
  it.each(SAME)('answers as jsonata does: %s', async (source) => {
    const theirs: unknown = await jsonata(source).evaluate(undefined, {});
    const ours = await value(`(${source})`.replace('$none', '$input.none'), { input: {} });
    expect(ours).toEqual(theirs === undefined ? undefined : JSON.parse(JSON.stringify(theirs)));
  });

  it.each([
    ['$sum', 'not_json'],
    ['[$sum]', 'not_json'],
    ['[9007199254740991 * 2]', 'non_finite'],
    ['$pad("x", 65535)', 'too_large'],
    ['$reduce([1..65], function($a, $i) { {"a": $a} }, 1)', 'too_deep'],
  ])('tells a value that cannot be kept from an error: %s', async (source, reason) => {
    expect(await evaluate(source)).toMatchObject({ ok: false, unfit: true, reason });
  });

  it.each(['1 / 0', '[1 / 0]', '$error("no")', '$number("x")', '1 / 0 > 5'])(
    'tells an error from a value that cannot be kept: %s',
    async (source) => {
      const result = await evaluate(source);
      expect(result.ok).toBe(false);
      expect(result).not.toHaveProperty('unfit');
    },
  );

  it.each([
    ['$split("🙂", "")', ['\ufffd', '\ufffd']],
    ['{"\\ud83d": 1}', { '\ufffd': 1 }],
    ['"a\\u0000b"', 'a\ufffdb'],
    ['["\\ude42"]', ['\ufffd']],
    ['$join($split("🙂", ""))', '🙂'],
  ])('yields text that every store keeps as it is: %s', async (source, wanted) => {
    expect(await value(source)).toEqual(wanted);
    const parsed = parseExpression(source);
    if (!parsed.ok || !parsed.expression.simple) return;
    expect(evaluateSimple(parsed.expression, {})).toEqual({ ok: true, value: wanted });
  });

  it('fails where jsonata fails', async () => {
    for (const source of [
      '$sort([1, "a"])',
      '$pad(1, 2)',
      '$join([1])',
      '1 & $map(1)',
      '$replace("a", "", "b")',
    ]) {
      await expect(jsonata(source).evaluate(undefined, {})).rejects.toBeDefined();
      expect(await evaluate(source)).toMatchObject({ ok: false, reason: 'error' });
    }
  });

  it('replaces built-ins by functions with as many parameters', async () => {
    const original = Object.fromEntries(
      [
        'contains',
        'formatInteger',
        'formatNumber',
        'fromMillis',
        'parseInteger',
        'match',
        'replace',
        'split',
        'string',
        'toMillis',
      ].map((name) => [name, () => undefined]),
    ) as never;
    const meter = new Meter(10, () => false);
    const replaced = functionsFor('portable', { host, meter: () => meter, original });
    let compared = 0;
    for (const { name, implementation } of replaced) {
      if (!/^\w+$/.test(name)) continue;
      const theirs: unknown = await jsonata(`$${name}`).evaluate(undefined);
      if (theirs === undefined) continue;
      compared += 1;
      const { length } = (theirs as { implementation: (...args: never[]) => unknown })
        .implementation;
      expect(implementation.length, name).toBe(length);
    }
    expect(compared).toBeGreaterThan(12);
  });

  it.each<[string, unknown]>([
    ['$parse("{\\"a\\": [1, null]}")', { a: [1, null] }],
    ['$partition([1, 2, 3, 4, 5], 2)', [[1, 2], [3, 4], [5]]],
    ['$partition([0], 1)', [[0]]],
    ['$range(0, 10, 5)', [0, 5, 10]],
    ['$range(3, 1, -1)', [3, 2, 1]],
    ['$hash("a", "MD5")', '0cc175b9c0f1b6a831c399e269772661'],
    ['$hash("a", "SHA-1")', '86f7e437faa5a7fce15d1ddcb9eaeaea377667b8'],
    [
      '$length($hash("a", "SHA-256")) & "," & $length($hash("a", "SHA-384")) & "," & $length($hash("a", "SHA-512"))',
      '64,96,128',
    ],
    ['$base64encode("é")', 'w6k='],
    ['$base64decode("w6k=")', 'é'],
    ['-0', 0],
    ['$input.none', undefined],
  ])('adds to jsonata: %s', async (source, expected) => {
    expect(await value(source, { input: {} })).toEqual(expected);
  });

  it.each([
    ['1 / 0', 'non_finite'],
    ['1 / 0 > 5', 'non_finite'],
    ['2 * 9007199254740992', 'non_finite'],
    ['$sum', 'not_json'],
    ['{"a": [$sum]}', 'not_json'],
    ['{"__proto__": 1}', 'not_json'],
    ['$pad("", 65535, "x")', 'too_large'],
    ['$reduce([1..70], function($a, $b) { [[$a]] }, 1)', 'too_deep'],
    ['[1..100001]', 'sequence'],
    ['[1..3001]^($)', 'sequence'],
    ['1 +', 'syntax'],
    ['$now()', 'fence'],
    ['$eval("1")', 'fence'],
    ['$error("no stock")', 'error'],
    ['$range(1, 2, 0)', 'error'],
    ['$hash("a", "CRC32")', 'error'],
    ['$parse("{")', 'error'],
    ['"a" < 1', 'error'],
  ])('refuses %s as %s', async (source, reason) => {
    expect(await evaluate(source)).toMatchObject({ ok: false, reason });
  });

  it('counts bytes of canonical JSON to the byte', async () => {
    expect(await evaluate('$pad("", 65534, "x")')).toMatchObject({ ok: true });
    expect(await evaluate('$pad("", 65535, "x")')).toMatchObject({ ok: false });
    const multi = await evaluate('$input', { input: 'é'.repeat(32_767) });
    expect(multi).toMatchObject({ ok: true });
    expect(await evaluate('$input', { input: 'é'.repeat(32_768) })).toMatchObject({ ok: false });
  });

  it('never tells the values at hand', async () => {
    const result = await evaluate('$input.secret + 1', { input: { secret: 'hunter2' } });
    expect(result.ok).toBe(false);
    expect(JSON.stringify(result)).not.toContain('hunter2');
  });

  it('leaves bindings as they were', async () => {
    const input = { items: [{ a: 1 }] };
    await value('$input ~> |items|{"a": 2}|', { input });
    expect(input).toEqual({ items: [{ a: 1 }] });
  });
});

describe('the Step Functions dialect', () => {
  it('has what only Step Functions has', async () => {
    expect(await value('$random(42)', {}, 'aws')).toBe(0.7275636800328681);
    expect(await value('$random()', {}, 'aws')).toBe(0.5);
    expect(await value('$millis()', {}, 'aws')).toBe(Date.UTC(2026, 0, 2, 3, 4, 5));
    expect(await value('$now()', {}, 'aws')).toBe('2026-01-02T03:04:05.000Z');
    expect(await value('$uuid()', {}, 'aws')).toMatch(/^[0-9a-f-]{36}$/);
    expect(await value('$states.input.a', { states: { input: { a: 1 } } }, 'aws')).toBe(1);
  });

  it('has no $eval', async () => {
    expect(await evaluate('$eval("1")', {}, 'aws')).toMatchObject({ ok: false, reason: 'error' });
  });

  it('runs regular expressions in linear time', async () => {
    expect(await value('$match("ab12cd3", /[0-9]+/).match', {}, 'aws')).toEqual(['12', '3']);
    expect(await value('$replace("a-b", /(a)-(b)/, "$2$1")', {}, 'aws')).toBe('ba');
    expect(await value('$split("a1b22c", /[0-9]+/)', {}, 'aws')).toEqual(['a', 'b', 'c']);
    expect(await value('$contains("ABC", /b/i)', {}, 'aws')).toBe(true);
    expect(await value('$contains($pad("", 5000, "a") & "b", /^(a+)+$/)', {}, 'aws')).toBe(false);
    expect(await evaluate('$contains("a", /(?=a)/)', {}, 'aws')).toMatchObject({ ok: false });
  });

  it('allows results of 256 KiB', async () => {
    expect(await evaluate('$pad("", 200000, "x")', {}, 'aws')).toMatchObject({ ok: true });
    expect(await evaluate('$pad("", 262143, "x")', {}, 'aws')).toMatchObject({
      reason: 'too_large',
    });
  });

  it('refuses the operators that Step Functions refuses', async () => {
    expect(await evaluate('$a ?? 1', {}, 'aws')).toMatchObject({ ok: false, reason: 'fence' });
  });
});
