import { Value } from 'typebox/value';
import { describe, expect, it } from 'vitest';
import { ConnectionRequest, OperationSpec } from '#core/connections.ts';
import { bindParameters, checkOperation } from '#core/operations.ts';
import { Secret } from '#core/secret.ts';

const operation = (spec: Partial<OperationSpec>): OperationSpec => ({
  connection: 'crm',
  access: 'write',
  statement: 'insert into t values (:id, :tags, :doc)',
  parameters: {
    type: 'object',
    properties: {
      id: { type: 'string', format: 'uuid' },
      tags: { type: ['array', 'null'], items: { type: 'string' } },
      doc: { type: ['object', 'array'] },
    },
    required: ['id'],
  },
  ...spec,
});
const ID = '0190b5a0-0000-7000-8000-000000000001';
const names = ['id', 'tags', 'doc'];

describe('an operation', () => {
  it('is sound when every placeholder is described', () => {
    expect(checkOperation(operation({}))).toEqual([]);
    expect(Value.Check(OperationSpec, operation({}))).toBe(true);
  });

  it('names what is missing and what is unused', () => {
    const problems = checkOperation(operation({ statement: 'insert into t values (:id, :other)' }));
    expect(problems.map((each) => each.pointer)).toEqual([
      '/parameters/properties',
      '/parameters/properties/tags',
      '/parameters/properties/doc',
    ]);
  });

  it('needs as many described values as it has numbers', () => {
    const spec = operation({
      statement: 'insert into t values ($1)',
      parameters: { type: 'array', prefixItems: [] },
    });
    expect(checkOperation(spec)[0]?.message).toContain('takes 1 values');
  });

  it('has no keyword in its schema that costs more than a comparison', () => {
    for (const extra of [{ pattern: '(a+)+$' }, { $ref: 'http://a/' }, { anyOf: [] }]) {
      const spec = operation({}) as unknown as { parameters: { properties: { id: object } } };
      spec.parameters.properties.id = { type: 'string', ...extra };
      expect(Value.Check(OperationSpec, spec)).toBe(false);
    }
  });
});

describe('parameters', () => {
  it('become texts in the order of the statement; what is left out is null', () => {
    expect(bindParameters(operation({}), names, { doc: { a: [1] }, id: ID })).toEqual({
      ok: true,
      values: [ID, null, '{"a":[1]}'],
    });
    expect(bindParameters(operation({}), names, { id: ID, tags: ['a', null], doc: [1] })).toEqual({
      ok: true,
      values: [ID, ['a', null], '[1]'],
    });
  });

  it.each([
    [{ doc: {} }, "'id' is missing"],
    [{ id: 'nope' }, 'not a uuid'],
    [{ id: 7 }, 'is integer, not string'],
    [{ id: ID, more: 1 }, "unknown parameter 'more'"],
    [{ id: ID, tags: [1] }, 'has an item that is integer'],
    [{ id: ID, tags: ['\0'] }, 'NUL'],
    [{ id: ID, doc: 'text' }, 'is string, not object or array'],
    [['x'], 'must be an object'],
    [{ id: ID, doc: { big: 'x'.repeat(300_000) } }, 'larger than'],
  ])('%j is refused', (given, why) => {
    const bound = bindParameters(operation({}), names, given as never);
    expect(bound.ok ? 'accepted' : bound.message).toContain(why);
  });

  it('never say what the value was', () => {
    const bound = bindParameters(operation({}), names, { id: 'canary-7f3a' });
    expect(JSON.stringify(bound)).not.toContain('canary-7f3a');
  });
});

describe('a connection', () => {
  it.each([
    [
      {
        connection: {
          type: 'http',
          base_url: 'https://api.example.com/v1',
          auth: { scheme: 'bearer', secret: 'key' },
        },
        secrets: { key: 'v' },
      },
      true,
    ],
    [
      {
        connection: {
          type: 'http',
          base_url: 'https://u:p@api.example.com',
          auth: { scheme: 'none' },
        },
      },
      false,
    ],
    [
      {
        connection: {
          type: 'http',
          base_url: 'https://api.example.com?x=1',
          auth: { scheme: 'none' },
        },
      },
      false,
    ],
    [
      { connection: { type: 'http', base_url: 'file:///etc/passwd', auth: { scheme: 'none' } } },
      false,
    ],
    [
      {
        connection: {
          type: 'http',
          base_url: 'https://a.example',
          auth: { scheme: 'api_key', header: 'x y', secret: 'k' },
        },
      },
      false,
    ],
    [
      {
        connection: {
          type: 'postgres',
          host: 'db.example.com',
          database: 'd',
          login: { username: 'u', secret: 'pw' },
        },
      },
      true,
    ],
    [
      {
        connection: {
          type: 'postgres',
          host: 'db/..',
          database: 'd',
          login: { username: 'u', secret: 'pw' },
        },
      },
      false,
    ],
    [
      {
        connection: {
          type: 'postgres',
          host: 'db',
          database: 'd',
          login: { username: 'u', password: 'x' },
        },
      },
      false,
    ],
  ])('%j: %s', (request, ok) => {
    expect(Value.Check(ConnectionRequest, request)).toBe(ok);
  });
});

it('a secret shows itself to nobody who does not ask', async () => {
  const { inspect } = await import('node:util');
  const secret = new Secret('canary-9c1e');
  for (const text of [
    String(secret),
    `${secret}`,
    JSON.stringify({ secret }),
    inspect({ secret }, { depth: 9, showHidden: true }),
  ]) {
    expect(text).not.toContain('canary-9c1e');
  }
  expect(secret.reveal()).toBe('canary-9c1e');
});
