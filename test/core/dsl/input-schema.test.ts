import { describe, expect, it } from 'vitest';
import { checkInputSchema, createInputValidator } from '#core/dsl/input-schema.ts';
import type { JsonObject } from '#core/json.ts';

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

  it('run patterns in linear time', () => {
    const schema = { type: 'string', pattern: '^(a+)+$' };
    expect(check(schema)).toEqual([]);
    const start = performance.now();
    expect(createInputValidator(schema)(`${'a'.repeat(50_000)}b`)).toHaveLength(1);
    expect(performance.now() - start).toBeLessThan(1_000);
  });
});
