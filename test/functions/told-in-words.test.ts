import { afterAll, beforeAll, expect, it } from 'vitest';
import { bodyType } from '#contract/route.ts';
import { type OperationId, operationIds, routeOf } from '#contract/routes.ts';
import type { Problem } from '#core/errors.ts';
import { inWordsOf } from '#core/in-words.ts';
import type { Json } from '#core/json.ts';
import { startTestApi, type TestApi } from '#test/support/api.ts';
import { NOWHERE } from '#test/support/asking.ts';
import { createTestDatabase, describeWithPostgres } from '#test/support/database.ts';
import { BODIES, bodyText, pathOf, QUERIES } from '#test/support/example-requests.ts';
import type { Names } from '#test/support/furnished-tenant.ts';
import { membersOf, withText } from '#test/support/named-members.ts';
import { createPeople } from '#test/support/people.ts';

/**
 * Whatever a request breaks of its contract is told in words of ours: where, what was given, what is allowed.
 * Generated from the contract: every place of every request holds, in turn, whatever it should not.
 */
interface Schema {
  readonly pattern?: string;
  readonly writeOnly?: boolean;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly patternProperties?: Readonly<Record<string, Schema>>;
  readonly propertyNames?: Schema;
  readonly additionalProperties?: boolean | Schema;
  readonly items?: Schema;
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
}
interface Place {
  readonly in: 'params' | 'query' | 'body';
  readonly path: readonly string[];
  readonly schema: Schema;
}

function placesOf(id: OperationId): Place[] {
  const route = routeOf(id);
  const all = (['params', 'query', 'body'] as const).flatMap((each) => {
    const schema = route[each] as Schema | undefined;
    return schema === undefined ? [] : walk(schema).map((found) => ({ in: each, ...found }));
  });
  return all.filter(({ in: where, path }) => where === 'body' || path.length === 1);
}

function walk(schema: Schema, path: readonly string[] = []): Omit<Place, 'in'>[] {
  const { additionalProperties: rest, propertyNames: names } = schema;
  const below: [string, Schema][] = [
    ...Object.entries(schema.properties ?? {}),
    ...Object.values(schema.patternProperties ?? {}).map((each): [string, Schema] => ['*', each]),
    ...(typeof rest === 'object' ? [['*', rest] as [string, Schema]] : []),
    ...(names === undefined ? [] : [['a name', names] as [string, Schema]]),
    ...(schema.items === undefined ? [] : [['0', schema.items] as [string, Schema]]),
  ];
  return [
    { path, schema },
    ...[...(schema.anyOf ?? []), ...(schema.oneOf ?? [])].flatMap((each) => walk(each, path)),
    ...below.flatMap(([name, each]) => walk(each, [...path, name])),
  ];
}

const ASKED = operationIds.filter((id) => placesOf(id).length > 0);

it('whatever a pattern allows stands beside it in words', () => {
  const silent = operationIds.flatMap((id) =>
    placesOf(id)
      .filter(({ schema }) => schema.pattern !== undefined && inWordsOf(schema) === null)
      .map(({ in: where, path }) => `${id} ${where}/${path.join('/')}`),
  );
  expect(silent).toEqual([]);
});

const LONG = 'x'.repeat(3_000);
const WRONG: readonly Json[] = [
  ...[null, true, -1, 1.5, 1e9, '', '~ ~', '\u0007', LONG, [], [1, 1], {}],
  { 'No Name!': 1, another: '~ ~' },
  Array.from({ length: 60 }, () => 'same'),
];
const WRONG_TEXTS = ['', '~ ~', LONG, '0x10'];

/** Of the library that checks, and of those who write patterns. */
const FOREIGN = /\bmust\b|\bschema\b|\bkeyword\b|\bpattern\b|\^|\[\^?[\\a-zA-Z0-9]|\(\?/i;

describeWithPostgres('what a request breaks', () => {
  let api: TestApi;
  let key: string;
  let token: string;
  let told = 0;

  beforeAll(async () => {
    const database = await createTestDatabase();
    api = await startTestApi(database);
    const tenant = await api.createTenant();
    key = await api.createKey(tenant, ['*']);
    token = await createPeople(api, database).signIn(tenant);
  });
  afterAll(() => api?.close());

  interface Parts {
    readonly params: Readonly<Record<string, string>>;
    readonly query: string;
    readonly body: Json | undefined;
  }

  /** Of nothing that is there: what is not refused for its form changes nothing. */
  function example(id: OperationId): Parts {
    const params = membersOf(id).filter(({ place }) => place === 'params');
    return {
      params: Object.fromEntries(
        params.map(({ path, thing }) => [path[0] ?? '', NOWHERE[thing as keyof Names]()]),
      ),
      query: (QUERIES[id] ?? '').replace(/^\?/, ''),
      body: (BODIES as Record<string, Json | undefined>)[id],
    };
  }

  async function problems(id: OperationId, { params, query, body }: Parts): Promise<Problem[]> {
    const route = routeOf(id);
    const encoded = Object.entries(params).map(([name, each]) => [name, encodeURIComponent(each)]);
    const path = pathOf(id, Object.fromEntries(encoded));
    const credential = route.permission === 'self' ? token : key;
    const response = await fetch(`${api.server.url}${path}${query === '' ? '' : `?${query}`}`, {
      method: route.method,
      redirect: 'manual',
      headers: {
        ...(route.tenant === 'caller' ? { authorization: `Bearer ${credential}` } : {}),
        ...(body === undefined ? {} : { 'content-type': bodyType(route) }),
        ...(route.ifMatch === undefined ? {} : { 'if-match': '*' }),
      },
      ...(body === undefined ? {} : { body: bodyText(id, body) }),
    });
    const text = await response.text();
    expect(response.status, `${id} ${text}`).toBeLessThan(500);
    if (response.status !== 400) return [];
    const answer = JSON.parse(text) as { code: string; problems?: Problem[] };
    return answer.code === 'REQUEST_INVALID' ? (answer.problems ?? []) : [];
  }

  /** With each place, in turn, holding each of what it should not. */
  function spoilt(id: OperationId): Parts[] {
    const good = example(id);
    const isForm = routeOf(id).form === true;
    return placesOf(id).flatMap(({ in: where, path }): Parts[] => {
      const name = path[0] ?? '';
      if (where === 'params') return [{ ...good, params: { ...good.params, [name]: '~ ~' } }];
      if (where === 'query') {
        const of = (...values: string[]) => {
          const query = new URLSearchParams(good.query);
          query.delete(name);
          for (const value of values) query.append(name, value);
          return { ...good, query: query.toString() };
        };
        return [...WRONG_TEXTS.map((each) => of(each)), of(), of('1', '2')];
      }
      const at = path.map((each) => (each === '*' ? 'x1' : each));
      const without = withText(good.body, at.slice(0, -1), { unknown: 1 });
      const values = isForm ? [] : [...WRONG.map((each) => withText(good.body, at, each)), without];
      return values.map((body) => ({ ...good, body }));
    });
  }

  /** Whether what is given there may be kept from who gave it: a secret, or what holds one. */
  function isSecret(id: OperationId, pointer: string): boolean {
    const [where, ...tokens] = pointer.slice(1).split('/');
    const place = where === 'path' ? 'params' : where;
    return placesOf(id).some(
      ({ in: each, path, schema }) =>
        each === place &&
        path.length === tokens.length &&
        path.every((name, i) => name === '*' || name === '0' || name === tokens[i]) &&
        JSON.stringify(schema).includes('"writeOnly":true'),
    );
  }

  it.each(ASKED)(
    'of %s is told where, what was given, and what is allowed',
    async (id) => {
      for (const parts of spoilt(id)) {
        for (const problem of await problems(id, parts)) {
          const { pointer, message, given, allowed } = problem;
          told += 1;
          const said = `${id} ${JSON.stringify(problem)}`;
          expect(pointer, said).toMatch(/^\/(?:path|query|body)(?:\/|$)/);
          expect(message, said).toMatch(/\w \w/);
          expect(message, said).not.toMatch(FOREIGN);
          expect(allowed ?? '', said).toMatch(/\w/);
          expect(allowed, said).not.toMatch(FOREIGN);
          if (given !== undefined) expect(given, said).not.toBe('');
          else if (!/^is missing$|is not known here$/.test(message)) {
            expect(isSecret(id, pointer), said).toBe(true);
          }
        }
      }
    },
    120_000,
  );

  it('was told often enough to be read', () => {
    expect(told).toBeGreaterThan(2_000);
  });

  it('a parameter that is given twice is told so, with both and with what it takes', async () => {
    const of = (query: string) =>
      problems('listExecutions', { ...example('listExecutions'), query });
    expect(await of('limit=1&limit=2')).toEqual([
      {
        code: 'REQUEST_INVALID',
        pointer: '/query/limit',
        message: 'is given 2 times',
        given: '"1", "2"',
        allowed: 'once: an integer, 1 to 200',
      },
    ]);
    expect(await of('label=a:b&label=c:d')).toEqual([]);
    expect(await of('constructor=1&constructor=2')).toMatchObject([
      { pointer: '/query/constructor', message: "'constructor' is not known here" },
    ]);
  });

  it('one mistake is one problem', async () => {
    const bodies = {
      // A member that may be null is told by the shape that it has.
      updateUser: [{ name: '', roles: [] }, '/body/name', '1 to 120 characters, none of them'],
      // Of shapes that a word tells apart, by the one that it names.
      createIdentityProvider: [
        { ...(BODIES.createIdentityProvider as object), protocol: { kind: 'ldap' } },
        '/body/protocol/kind',
        'oidc, oauth2, saml',
      ],
      createConnection: [
        { name: 'mine', connection: { host: 'x' } },
        '/body/connection/type',
        'http, postgres',
      ],
      createOperation: [
        {
          ...(BODIES.createOperation as object),
          parameters: { type: 'array', prefixItems: [{ type: 'text' }] },
        },
        '/body/parameters/prefixItems/0/type',
        'string, integer, number, boolean, object, array, null',
      ],
      executeWorkflow: [
        { labels: { Team: 'x' } },
        '/body/labels/Team',
        '1 to 63 lower-case letters, digits',
      ],
    } as const satisfies { readonly [Id in OperationId]?: readonly [Json, string, string] };
    for (const [id, [body, pointer, allowed]] of Object.entries(bodies)) {
      const operation = id as OperationId;
      const told = await problems(operation, { ...example(operation), body: body as Json });
      expect(told).toMatchObject([{ pointer, allowed: expect.stringContaining(allowed) }]);
    }
  });

  it('what is given is repeated to nobody where it is a secret', async () => {
    const secret = 'Qz7-secret-text '.repeat(40);
    for (const [id, body] of [
      ['login', { ...(BODIES.login as object), password: secret }],
      ['login', secret],
      ['createConnection', { ...(BODIES.createConnection as object), secrets: secret }],
      ['changePassword', { current_password: [secret], new_password: { of: secret } }],
      ['refreshTokens', { refresh_token: secret }],
    ] as const) {
      const told = await problems(id, { ...example(id), body: body as Json });
      expect(told.length).toBeGreaterThan(0);
      expect(JSON.stringify(told)).not.toContain('Qz7');
    }
  });

  it.each([
    ['NUL in a path', '/a%00b', /'a%00b', which hides a slash or a control character/],
    ['a slash in a name', '/a%2Fb', /'a%2Fb', which hides a slash/],
    ['a control character', '/a%7f', /'a%7f', which hides/],
    ['a broken escape', '/%zz', /'%zz', whose escapes are not UTF-8/],
    ['half a character', '/%ff', /'%ff', whose escapes are not UTF-8/],
    ['NUL in a query', '?text=%00', /the query holds U\+0000/],
    ['half a character in a query', '?text=%ff', /the query holds escapes that are not UTF-8/],
    ['a long path', `/${'a'.repeat(3_000)}`, /the path has 3018 characters; .* at most 2048/],
    [
      'a long query',
      `?text=${'a'.repeat(9_000)}`,
      /the query has 9005 characters; .* at most 8192/,
    ],
  ])('%s is told what of it cannot be read', async (_, rest, detail) => {
    const response = await fetch(`${api.server.url}/api/v1/workflows${rest}`, {
      headers: { authorization: `Bearer ${key}` },
    });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({
      code: 'REQUEST_MALFORMED',
      detail: expect.stringMatching(detail),
    });
  });
});
