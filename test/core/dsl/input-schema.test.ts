import { describe, expect, it } from 'vitest';
import { checkInputSchema, createInputValidator } from '#core/dsl/input-schema.ts';
import type { Json, JsonObject } from '#core/json.ts';

const check = (schema: unknown) => checkInputSchema(schema as JsonObject, '/input_schema');

describe('schemas of inputs', () => {
  it('are taken when they are plain', () => {
    const schema = {
      type: 'object',
      required: ['id'],
      additionalProperties: false,
      properties: {
        id: { type: 'string', pattern: '^[a-z]+$' },
        at: { type: 'string', format: 'date-time' },
        tags: { type: 'array', maxItems: 10, uniqueItems: true, items: { $ref: '#/$defs/tag' } },
      },
      $defs: { tag: { type: 'string', maxLength: 5 } },
    };
    expect(check(schema)).toEqual([]);
    const validate = createInputValidator(schema as unknown as JsonObject);
    expect(validate({ id: 'abc', tags: ['a', 'b'] })).toEqual([]);
    expect(validate({ id: 'ABC' })).toEqual([
      expect.objectContaining({ code: 'INPUT_INVALID', pointer: '/id' }),
    ]);
    expect(validate({ id: 'a', tags: ['toolong'] })).toEqual([
      expect.objectContaining({ pointer: '/tags/0' }),
    ]);
    expect(validate({ id: 'a', x: 1 })).toEqual([expect.objectContaining({ pointer: '/x' })]);
  });

  it.each([
    ['a reference outside', { $ref: 'https://a.example/schema' }],
    ['a reference to itself', { $ref: '#' }],
    [
      'a circle',
      { $defs: { a: { $ref: '#/$defs/b' }, b: { $ref: '#/$defs/a' } }, $ref: '#/$defs/a' },
    ],
    ['a reference to nothing', { $ref: '#/$defs/a' }],
    ['a dynamic reference', { $dynamicRef: '#a' }],
    ['an id of its own', { $id: 'https://a.example/x' }],
    ['an unknown type', { type: 'text' }],
    ['a pattern that no linear engine takes', { type: 'string', pattern: '(a)\\1' }],
    ['uniqueness of anything', { type: 'array', uniqueItems: true }],
    ['another dialect', { $schema: 'http://json-schema.org/draft-07/schema#' }],
    ['an unknown format', { type: 'string', format: 'regex' }],
    ['thousands of values', { enum: Array.from({ length: 3_000 }, (_, i) => i) }],
  ])('are refused: %s', (_, schema) => {
    expect(check(schema).length).toBeGreaterThan(0);
  });

  it('are refused when references multiply', () => {
    const $defs: Record<string, unknown> = { d0: { type: 'string' } };
    for (let i = 1; i < 40; i++) {
      $defs[`d${i}`] = { anyOf: [{ $ref: `#/$defs/d${i - 1}` }, { $ref: `#/$defs/d${i - 1}` }] };
    }
    expect(check({ $defs, $ref: '#/$defs/d39' })).toHaveLength(1);
  });

  it('report all that is wrong at once, in words and in the order of the input', () => {
    const validate = createInputValidator({
      type: 'object',
      required: ['email', 'age'],
      additionalProperties: false,
      properties: {
        name: { type: 'string' },
        age: { type: 'integer', minimum: 18 },
        plan: { enum: ['basic', 'pro'] },
        note: { anyOf: [{ type: 'string' }, { type: 'null' }] },
        way: { oneOf: [{ const: 'a' }, { type: 'object', required: ['by'] }] },
        tags: { type: 'array', maxItems: 1, items: { type: 'string', minLength: 2 } },
        email: { type: 'string', format: 'email' },
        code: { type: 'string', pattern: '^[A-Z]+$' },
        named: { propertyNames: { pattern: '^[a-z]+$' } },
        many: { type: ['string', 'null'] },
        // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema
        kind: { if: { const: 1 }, then: false },
      },
    });
    const said = (input: Json) =>
      validate(input).map(({ pointer, message, given, allowed }) => [
        pointer,
        message,
        given,
        allowed,
      ]);
    expect(
      said({
        name: 3,
        plan: 'gold',
        age: 7,
        note: 5,
        way: { on: 1 },
        tags: ['a', 'bb'],
        code: 'x',
        named: { A: 1 },
        many: [1],
        kind: 1,
        'a/b': 1,
      }),
    ).toEqual([
      ['/name', 'is 3, not a string', '3', 'a string'],
      ['/plan', 'is "gold", which is not allowed', '"gold"', '"basic", "pro"'],
      ['/age', 'is 7, which is too low', '7', 'at least 18'],
      ['/note', 'is 5, not a string or null', '5', 'a string or null'],
      ['/way', 'is an object, which fits no allowed shape', undefined, '"a"; or with by'],
      ['/tags', 'has 2 items', undefined, 'at most 1 item'],
      ['/tags/0', 'has 1 character', '"a"', 'at least 2 characters'],
      ['/code', 'is "x", which does not match', '"x"', 'text like ^[A-Z]+$'],
      ['/named/A', "'A' is not an allowed name", undefined, 'text like ^[a-z]+$'],
      ['/many', 'is an array, not a string or null', undefined, 'a string or null'],
      ['/kind', 'is not allowed here', '1', 'nothing'],
      ['/a~1b', "'a/b' is not a known member", undefined, expect.stringMatching(/^'name', 'age'/)],
      ['/email', "'email' is missing", undefined, undefined],
    ]);
    expect(said(3)).toEqual([['', 'is 3, not an object', '3', 'an object']]);
  });

  it('look for the first problem only where all of them could be very many', () => {
    const schema = {
      items: { allOf: Array.from({ length: 300 }, () => ({ type: 'string' })) },
    } as unknown as JsonObject;
    expect(check(schema)).toEqual([]);
    const validate = createInputValidator(schema);
    const problems = validate(Array.from({ length: 30_000 }, () => 1));
    expect(problems.map(({ pointer, message }) => [pointer, message])).toEqual([
      ['/0', 'is 1, not a string'],
      ['', expect.stringContaining('more problems may follow')],
    ]);
    const long = { allOf: Array.from({ length: 900 }, () => ({ maxLength: 1 })) } as const;
    expect(createInputValidator(long as unknown as JsonObject)('x'.repeat(60_000))).toHaveLength(2);
    const some = createInputValidator({ items: { type: 'string' } })(
      Array.from({ length: 300 }, () => 1),
    );
    expect(some).toHaveLength(201);
    expect(some.at(-1)).toMatchObject({ message: 'more problems follow' });
  });

  it('run patterns in linear time', () => {
    const schema = { type: 'string', pattern: '^(a+)+$' };
    expect(check(schema)).toEqual([]);
    const start = performance.now();
    expect(createInputValidator(schema)(`${'a'.repeat(50_000)}b`)).toHaveLength(1);
    expect(performance.now() - start).toBeLessThan(1_000);
  });

  it('are refused when their patterns are many or long', () => {
    const many = Array.from({ length: 201 }, (_, i) => ({ pattern: `a${i}` }));
    expect(check({ anyOf: many })).toHaveLength(1);
    expect(check({ anyOf: many.slice(1) })).toEqual([]);
    expect(check({ anyOf: many.map(() => ({ format: 'email' })) })).toHaveLength(1);
    const named = Object.fromEntries(many.map(({ pattern }) => [pattern, {}]));
    expect(check({ patternProperties: named })).toHaveLength(1);
    expect(check({ type: 'string', pattern: '(a|b)*'.repeat(50_000) })).toHaveLength(1);
  });

  it.each([
    [
      'many patterns on many names',
      {
        patternProperties: Object.fromEntries(
          Array.from({ length: 200 }, (_, i) => [`^(a|b|k)*[0-9]*x${i}$`, {}]),
        ),
      },
      Object.fromEntries(Array.from({ length: 6_000 }, (_, i) => [`k${i}`, 1])),
    ],
    [
      'many formats on many texts',
      { items: { allOf: Array.from({ length: 200 }, () => ({ not: { format: 'email' } })) } },
      Array.from({ length: 10_000 }, () => 'aaaa'),
    ],
    [
      'a pattern of many states on a long text',
      { type: 'string', pattern: '(a|b)*'.repeat(1_000) },
      'ab'.repeat(30_000),
    ],
    [
      'uniqueness asked many times',
      {
        items: {
          allOf: Array.from({ length: 199 }, () => ({ uniqueItems: true, maxItems: 1_000 })),
        },
      },
      Array.from({ length: 10 }, () => Array.from({ length: 900 }, (_, i) => [i])),
    ],
  ])('stop an input that takes too much work: %s', (_, schema, input) => {
    expect(check(schema)).toEqual([]);
    const validate = createInputValidator(schema as unknown as JsonObject);
    expect(validate(input)).toEqual([
      expect.objectContaining({ message: expect.stringContaining('too much work') }),
    ]);
    // The work of one input is not held against the next.
    expect(validate(null)).not.toEqual([
      expect.objectContaining({ message: expect.stringContaining('too much work') }),
    ]);
  });

  it('know duplicates by value, whatever the order of their members', () => {
    const validate = createInputValidator({ uniqueItems: true, maxItems: 10 });
    expect(validate([1, '1', [1], { a: 1, b: 2 }, null, false])).toEqual([]);
    expect(
      validate([
        { a: 1, b: 2 },
        { b: 2, a: 1 },
      ]),
    ).toHaveLength(1);
    expect(createInputValidator({ uniqueItems: false })([1, 1])).toEqual([]);
  });
});
