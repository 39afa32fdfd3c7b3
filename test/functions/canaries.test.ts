import { afterAll, beforeAll, expect, it } from 'vitest';
import { createJsonLog } from '#adapters/local/json-log.ts';
import { bodyType } from '#contract/route.ts';
import { type OperationId, operationIds, routeOf, routes } from '#contract/routes.ts';
import { createChecks } from '#contract/validate.ts';
import type { Json, JsonObject } from '#core/json.ts';
import { type CallOf, type Platform, startPlatformOfChanges } from '#test/support/changes/home.ts';
import { CHANGES, type ChangeId } from '#test/support/changes/table.ts';
import {
  createTestDatabase,
  describeWithPostgres,
  type TestDatabase,
} from '#test/support/database.ts';

const checks = createChecks(routes);

/**
 * Something of every caller's in every place of every route, generated from the contract, with the log at
 * its most talkative: first where the route still does what it is for, then where nothing fits.
 */
describeWithPostgres('what a caller sends', () => {
  let database: TestDatabase;
  let platform: Platform;
  const lines: string[] = [];
  let planted = 0;

  beforeAll(async () => {
    database = await createTestDatabase();
    platform = await startPlatformOfChanges(database, {
      log: createJsonLog({ write: (line) => lines.push(line), level: 'debug', time: () => '' }),
    });
  }, 60_000);
  afterAll(() => platform?.close());

  const canary = (): string => {
    planted += 1;
    return `Canary${planted}Zq7`;
  };

  /** Each text of a body replaced by a canary in the first form that its place takes. */
  function plantedIn(id: OperationId, body: Json): Json {
    const fits = checks.of(id).body;
    let whole = structuredClone(body);
    for (const path of textsIn(body)) {
      for (const form of FORMS) {
        const next = withAt(whole, path, form(canary()));
        if (fits?.(next).length === 0) {
          whole = next;
          break;
        }
      }
    }
    return whole;
  }

  async function send(
    id: OperationId,
    credential: string | null,
    parts: {
      readonly path?: string;
      readonly query?: string;
      readonly body?: string | undefined;
      readonly more?: Record<string, string>;
    },
  ): Promise<number> {
    const { method, path } = routeOf(id);
    const response = await fetch(
      `${platform.api.server.url}${parts.path ?? path}${parts.query ?? ''}`,
      {
        method,
        redirect: 'manual',
        headers: {
          ...(credential === null ? {} : { authorization: `Bearer ${credential}` }),
          ...(parts.body === undefined ? {} : { 'content-type': bodyType(routeOf(id)) }),
          ...parts.more,
        },
        ...(parts.body === undefined || method === 'GET' ? {} : { body: parts.body }),
      },
    );
    await response.arrayBuffer();
    return response.status;
  }

  function leaks(): readonly string[] {
    return lines.filter((line) => /canary\d/i.test(line));
  }

  const changes = operationIds.filter((id) => id in CHANGES) as ChangeId[];
  it.each(changes)(
    '%s logs nothing of it where it is taken',
    async (id) => {
      const home = await platform.home();
      const call = (await CHANGES[id](home)) as CallOf<OperationId>;
      const before = planted;
      const body = call.body === undefined ? {} : { body: plantedIn(id, call.body as Json) };
      const answer = await platform.send(id, { ...call, ...body } as typeof call, home.key);
      expect(answer.status).toBeLessThan(500);
      if (textsIn((call.body ?? null) as Json).length > 0) expect(planted).toBeGreaterThan(before);
      expect(leaks()).toEqual([]);
    },
    120_000,
  );

  it.each(operationIds)(
    '%s logs nothing of it where it is refused',
    async (id) => {
      const home = await platform.home();
      const route = routeOf(id);
      const path = route.path.replaceAll(/\{\w+\}/g, () => canary());
      const names = Object.keys(route.query?.properties ?? {});
      const query = `?${[...names, canary()].map((name) => `${name}=${canary()}`).join('&')}`;
      const body =
        route.body === undefined
          ? undefined
          : route.form === true
            ? new URLSearchParams({ SAMLResponse: canary(), [canary()]: canary() }).toString()
            : JSON.stringify(everywhere(route.body as unknown as Schema, canary));
      const person = await home.signedIn({ roles: ['owner'] });
      const statuses = [
        await send(id, home.key, { path, body }),
        await send(id, home.key, { query, body }),
        await send(id, person.token, { path, body, more: { 'if-match': canary() } }),
        await send(id, canary(), { path, query, body }),
        await send(id, home.key, {
          body: `{"${canary()}": ${canary()}`,
          more: {
            'idempotency-key': canary(),
            'if-none-match': canary(),
            'x-correlation-id': `${canary()} with blanks`,
            'user-agent': canary(),
            'x-forwarded-for': canary(),
            cookie: `${canary()}=${canary()}`,
            origin: `https://${canary().toLowerCase()}.example.com`,
            traceparent: canary(),
          },
        }),
      ];
      // 503 is a busy machine.
      for (const status of statuses) expect(status).not.toBe(500);
      expect(leaks()).toEqual([]);
      const log = lines.join('\n');
      expect(log).not.toContain(home.key);
      expect(log).not.toContain(person.token);
    },
    120_000,
  );

  it('was looked for where there was something to find', () => {
    expect(planted).toBeGreaterThan(1_500);
    expect(lines.filter((line) => line.includes('REQUEST_SERVED')).length).toBeGreaterThan(500);
  });
});

/** Forms that the places of a contract take, the freest first. */
const FORMS: readonly ((canary: string) => string)[] = [
  (canary) => canary,
  (canary) => canary.toLowerCase(),
  (canary) => `${canary}@example.com`,
  (canary) => `https://${canary.toLowerCase()}.example.com/`,
  (canary) => `${canary.toLowerCase()}.example.com`,
  (canary) => canary.padEnd(43, 'x'),
  (canary) => Buffer.from(canary).toString('base64'),
];

type Path = readonly (string | number)[];

function textsIn(value: Json, at: Path = []): readonly Path[] {
  if (typeof value === 'string') return [at];
  if (Array.isArray(value)) return value.flatMap((each, i) => textsIn(each as Json, [...at, i]));
  if (value === null || typeof value !== 'object') return [];
  return Object.entries(value as JsonObject).flatMap(([name, each]) =>
    textsIn(each as Json, [...at, name]),
  );
}

function withAt(value: Json, path: Path, text: string): Json {
  const [first, ...rest] = path;
  if (first === undefined) return text;
  if (Array.isArray(value)) {
    return value.map((each, i) =>
      i === first ? withAt(each as Json, rest, text) : (each as Json),
    );
  }
  const { [first]: under, ...others } = value as JsonObject;
  return { ...others, [first]: withAt(under as Json, rest, text) };
}

interface Schema {
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
}

/** A body with every member that a schema knows, and one that it does not, each a canary; none fits. */
function everywhere(schema: Schema, canary: () => string): Json {
  const [first] = schema.anyOf ?? schema.oneOf ?? [];
  if (first !== undefined) return everywhere(first, canary);
  if (schema.items !== undefined) return [everywhere(schema.items, canary)];
  if (schema.properties === undefined) return canary();
  return Object.fromEntries([
    ...Object.entries(schema.properties).map(([name, each]) => [name, everywhere(each, canary)]),
    [canary(), canary()],
  ]) as JsonObject;
}
