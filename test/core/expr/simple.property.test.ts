import fc from 'fast-check';
import jsonata from 'jsonata';
import { describe, expect, it } from 'vitest';
import { evaluateSimple } from '#core/expr/evaluate-simple.ts';
import { parseExpression } from '#core/expr/parse.ts';
import type { Bindings } from '#core/expr/simple.ts';
import type { Json } from '#core/json.ts';
import { canonicalJson } from '#core/json.ts';
import { evaluate } from '#test/core/expr/support.ts';

const LITERALS = ['null', 'true', 'false', '0', '1', '2', '0.1', '-1', '1e300', '""', '"a"', '"["'];

// Few names and small values, so that paths meet what they name.
const key = fc.constantFrom(...'aaaaabbbc', 'length', '0', '_jsonata_function');
const scalar: fc.Arbitrary<Json> = fc.oneof(
  fc.constantFrom<Json>(
    null,
    true,
    false,
    0,
    1,
    2,
    -1,
    0.1,
    0.2,
    0.30000000000000004,
    1e300,
    1e16,
    '',
    'a',
    'b',
    '1',
    'é',
  ),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.string({ maxLength: 3 }),
);
const json = fc.letrec<{ value: Json }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'medium', withCrossShrink: true },
    scalar,
    { arbitrary: fc.array(tie('value'), { maxLength: 3 }), weight: 2 },
    { arbitrary: fc.dictionary(key, tie('value'), { maxKeys: 4 }), weight: 3 },
  ),
})).value;

const index = fc.constantFrom('', '', '', '', '[0]', '[1]', '[-1]', '[0][0]', '[1.5]', '[7]');
const root = fc.constantFrom(
  '$input',
  '$item',
  '$index',
  '$loop.last',
  '$result',
  '$steps.s.output',
);
const path = fc
  .tuple(root, index, fc.array(fc.tuple(key, index), { maxLength: 4 }))
  .map(([from, at, rest]) => {
    const indexed = from.includes('.') ? from : from + at;
    return indexed + rest.map(([name, i]) => `.\`${name}\`${i}`).join('');
  });
const literal = fc.oneof(fc.constantFrom(...LITERALS));
const source = fc.letrec<{ expr: string }>((tie) => ({
  expr: fc.oneof(
    { depthSize: 'small' },
    path,
    literal,
    path,
    fc
      .tuple(
        tie('expr'),
        fc.constantFrom('=', '!=', '<', '<=', '>', '>=', 'and', 'or', '&', '+', '-', '*', '/', '%'),
        tie('expr'),
      )
      .map(([l, op, r]) => `(${l}) ${op} (${r})`),
    fc.tuple(tie('expr'), fc.array(literal, { maxLength: 3 })).map(([l, r]) => `(${l}) in [${r}]`),
    fc.tuple(literal, path).map(([l, r]) => `${l} in ${r}`),
    fc
      .tuple(fc.constantFrom('exists', 'not', 'boolean', 'count', 'type'), tie('expr'))
      .map(([name, arg]) => `$${name}(${arg})`),
    fc.tuple(tie('expr'), tie('expr'), tie('expr')).map(([c, t, e]) => `(${c}) ? (${t}) : (${e})`),
    fc.tuple(tie('expr'), tie('expr')).map(([c, t]) => `((${c}) ? (${t}))`),
    fc.array(tie('expr'), { maxLength: 3 }).map((items) => `[${items.join(', ')}]`),
    fc
      .uniqueArray(key, { maxLength: 3 })
      .filter((keys) => !keys.includes('_jsonata_function'))
      .chain((keys) => fc.tuple(...keys.map((k) => tie('expr').map((v) => `"${k}": ${v}`))))
      .map((members) => `{${members.join(', ')}}`),
    tie('expr').map((operand) => `-(${operand})`),
  ),
})).expr;

const bindings: fc.Arbitrary<Bindings> = fc.record(
  {
    input: json,
    item: json,
    index: fc.nat(3),
    loop: json.map((last) => ({ index: 1, last })),
    result: json,
    steps: json.map((output) => ({
      s: { status: 'SUCCESS', output, error: null, attempts: 1 },
    })),
  },
  { requiredKeys: ['index'] },
);

describe('the small evaluator', () => {
  it('answers as jsonata does, or both refuse', async () => {
    let simple = 0;
    let values = 0;
    await fc.assert(
      fc.asyncProperty(source, bindings, async (text, given) => {
        const parsed = parseExpression(text);
        if (!parsed.ok) return; // too long, or `$loop.last.x` under a literal: not its business
        expect(parsed.expression.simple, text).toBe(true);
        simple += 1;
        const here = evaluateSimple(parsed.expression, given);
        const there = await evaluate(text, structuredClone(given));
        expect(here.ok, `${text} ${JSON.stringify(here)} ${JSON.stringify(there)}`).toBe(there.ok);
        if (!here.ok || !there.ok) return;
        expect(here.value === undefined).toBe(there.value === undefined);
        // and as jsonata itself, without our limits and functions
        const theirs: unknown = await jsonata(text).evaluate(undefined, structuredClone(given));
        expect(here.value === undefined).toBe(theirs === undefined);
        if (here.value === undefined || there.value === undefined) return;
        values += 1;
        expect(canonicalJson(here.value)).toBe(canonicalJson(there.value));
        const plain = JSON.parse(JSON.stringify(theirs)) as Json;
        expect(canonicalJson(here.value)).toBe(canonicalJson(plain));
      }),
      { numRuns: Number(process.env['FC_RUNS'] ?? 500) },
    );
    // A generator that yields nothing but errors would prove nothing.
    expect(simple).toBeGreaterThan(400);
    expect(values).toBeGreaterThan(simple / 10);
  }, 30_000);

  const given: Bindings = {
    input: {
      one: [{ list: [1, 2] }],
      single: [{ list: [1] }],
      empty: [{ list: [] }],
      many: [{ list: [1] }, { list: [2, 3] }, {}],
      nested: [[{ list: [[1]] }], [{ list: 2 }]],
      sum: 0.1 + 0.2,
      odd: { _jsonata_function: true, x: 1 },
    },
  };
  it.each([
    '$input.one.list',
    '$input.single.list',
    '$input.empty.list',
    '$input.many.list',
    '$input.many[0].list',
    '$input.many[-2].list[1]',
    '$input.many.list[0]',
    '$input.nested.list',
    '$input.nested[0].list',
    '$input.none.list',
    '$input.sum & ""',
    '"" & [$input.sum]',
    '[$input.many.list, [1], "[", $input.single.list]',
    '{"a": $input.many.list, "b": $input.none}',
    '$input.odd.x',
    '[$input.odd] & "x"',
    '$not($input.odd.x)',
    '$count($input.many.list) = 3',
    '[] = {"length": 0}',
    '$input.many.list = [1, 2, 3]',
  ])('answers as jsonata does: %s', async (text) => {
    const parsed = parseExpression(text);
    expect(parsed.ok && parsed.expression.simple).toBe(true);
    if (!parsed.ok) return;
    const here = evaluateSimple(parsed.expression, given);
    expect(here).toEqual(await evaluate(text, given));
    const theirs: unknown = await jsonata(text).evaluate(undefined, structuredClone(given));
    expect(here.ok && here.value).toEqual(
      theirs === undefined ? undefined : JSON.parse(JSON.stringify(theirs)),
    );
  });
});
