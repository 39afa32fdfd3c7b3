import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { type Client, createClient } from '#client/client.ts';
import { COMPENSATIONS, CONFIGS } from '#core/dsl/configs.ts';
import { isFinal } from '#core/execution/events.ts';
import type { Json, JsonObject } from '#core/json.ts';
import type { Thing } from '#core/naming.ts';
import { TYPES_OF } from '#core/plan/program.ts';
import { type PlatformWorld, startWorld } from '#test/integration/platform-world.ts';
import { startTestApi, type TestApi } from '#test/support/api.ts';
import {
  createTestDatabase,
  describeWithPostgres,
  type TestDatabase,
} from '#test/support/database.ts';
import { STATEMENT } from '#test/support/example-requests.ts';
import { textsOf, withText } from '#test/support/named-members.ts';
import { createPeople } from '#test/support/people.ts';
import { rowsOf, untouched } from '#test/support/two-tenants.ts';

/**
 * Names inside definitions, which are found when steps run: with the name of something of another tenant, or
 * of one's own other mode, an execution ends as with the name of nothing. Each place of each type of step that
 * names something, also where it compensates, made from the schemas of the language; on both runtimes.
 */
/** What is written to the outside, or is about the definition itself, and names nothing that anybody has. */
const NAMES_NOTHING: ReadonlySet<string> = new Set([
  'url',
  'headers/*',
  'query/*',
  'request/url',
  'request/headers/*',
  'request/query/*',
  'headers',
  'query',
  'request/headers',
  'request/query',
  'timeout',
  'heartbeat',
  'retry/interval',
  'retry/max_interval',
  'retry/retry_on/0',
  'duration',
  'until',
  'while',
  'cases/0/when',
  'items',
  'message',
  'error',
  'template',
]);

const all = [
  ...TYPES_OF.tenant.steps.map((type) => ({ type, compensates: false, schema: CONFIGS[type] })),
  ...TYPES_OF.tenant.compensations.map((type) => ({
    ...{ type, compensates: true, schema: COMPENSATIONS[type] },
  })),
].flatMap(({ schema, ...of }) => textsOf(schema).map((text) => ({ ...of, ...text })));
type Found = (typeof all)[number];
type Named = Found & { readonly thing: Thing };
const named = all.filter((each): each is Named => each.thing !== null);

it('every text in a definition names something, or is known to name nothing', () => {
  const silent = all.filter(
    ({ thing, path }) => thing === null && !NAMES_NOTHING.has(path.join('/')),
  );
  expect(silent.map(({ type, path }) => `${type} ${path.join('/')}`)).toEqual([]);
});

/** Names of one tenant in one mode: all that a step can reach. */
type Own = { readonly [T in Thing]?: string };

describeWithPostgres('a definition that names what another has', () => {
  let database: TestDatabase;
  let api: TestApi;
  let world: PlatformWorld;
  let theirs: string;
  let client: Client;
  let serial = 0;
  const names: Record<'own' | 'foreign' | 'nowhere' | 'other mode', Own> = {
    own: {},
    foreign: {},
    nowhere: {
      workflow: 'nowhere-flow',
      version: '9.9.9',
      connection: 'nowhere-shop',
      connection_operation: 'nowhere-count',
      user: '00000000-0000-4000-8000-000000000000',
    },
    'other mode': {},
  };
  const clientOf = (credential: string) =>
    createClient({ baseUrl: world.platform.baseUrl, credential });

  beforeAll(async () => {
    database = await createTestDatabase();
    api = await startTestApi(database);
    world = await startWorld(database.url);
    const ours = await api.createTenant();
    theirs = await api.createTenant();
    client = clientOf(await api.createKey(ours, ['*']));
    const people = createPeople(api, database);
    for (const [whose, word, key, tenant] of [
      ['own', 'ourzz', await api.createKey(ours, ['*']), ours],
      ['other mode', 'testzz', await api.createKey(ours, ['*'], { mode: 'test' }), ours],
      ['foreign', 'theirqq', await api.createKey(theirs, ['*']), theirs],
    ] as const) {
      serial += 1;
      const user = await people.user(tenant);
      names[whose] = { ...(await make(clientOf(key), word, `2.${serial}.0`)), user: user.id };
    }
    // Whoever reads events is done with those of all this.
    let before: string[] = [];
    await vi.waitFor(
      async () => {
        const now = await rowsOf(database.admin, theirs);
        const isQuiet = JSON.stringify(now) === JSON.stringify(before);
        before = now;
        expect(isQuiet).toBe(true);
      },
      { timeout: 60_000, interval: 1_000 },
    );
  }, 180_000);
  afterAll(async () => {
    await world?.stop();
    await api?.close();
  });

  /** A workflow, and connections that lead to a target which remembers who came. */
  async function make(of: Client, word: string, version: string): Promise<Own> {
    const steps = [{ id: 'done', type: 'transform', config: { value: word } }];
    await of.createWorkflow({ body: { workflow_id: `${word}-flow`, version, steps } });
    await of.createConnection({
      body: {
        name: `${word}-shop`,
        connection: {
          type: 'http',
          base_url: `${world.target}/${word}`,
          auth: { scheme: 'bearer', secret: 'token' },
        },
        secrets: { token: `${word}-secret` },
      },
    });
    await of.createConnection({
      body: {
        name: `${word}-base`,
        connection: {
          type: 'postgres',
          host: `${word}.example.com`,
          database: 'shop',
          login: { username: word, secret: 'password' },
        },
        secrets: { password: `${word}-secret` },
      },
    });
    await of.createOperation({
      connection: `${word}-base`,
      body: { name: `${word}-count`, ...STATEMENT },
    });
    return {
      workflow: `${word}-flow`,
      version,
      connection: `${word}-shop`,
      connection_operation: `${word}-count`,
    };
  }

  /** What is needed besides: of one's own. */
  function configOf({ type }: Named): JsonObject {
    const { own } = names;
    const request = { url: '/found' };
    const CONFIG: Readonly<Record<string, JsonObject>> = {
      http_request: request,
      database_operation: { operation: own.connection_operation ?? '' },
      callback: { request, timeout: '1h' },
      approval: { timeout: '1h' },
      sub_workflow: { workflow_id: own.workflow ?? '', timeout: '1h' },
    };
    const config = CONFIG[type];
    if (config === undefined) throw new Error(`how is a ${type} that names something called?`);
    return config;
  }

  function definition(member: Named, name: string): JsonObject {
    serial += 1;
    const config = withText(configOf(member), member.path, name);
    const step = { type: member.type, config } as JsonObject;
    const value = { type: 'transform', config: { value: 1 } };
    const steps: Json = member.compensates
      ? [
          { id: 'begun', ...value, compensate: step },
          { id: 'fails', type: 'fail', depends_on: ['begun'], config: { error: 'Planned' } },
        ]
      : [{ id: 'named', ...step }];
    return { workflow_id: `probe-${serial}`, version: '1.0.0', steps };
  }

  /** How far it comes: to its end, or to where it waits for an answer. */
  async function outcome(member: Named, name: string, runtime: 'engine' | 'step_functions') {
    const body = definition(member, name);
    const { valid, problems } = await client.validateWorkflow({ body });
    expect([valid, problems]).toEqual([true, []]);
    const { workflow_id } = await client.createWorkflow({ body });
    const { execution_id } = await client.executeWorkflow({ workflow_id, body: { runtime } });
    for (let look = 0; look < 2_000; look += 1) {
      await world.clock.settle();
      const { status, error, compensation, waits } = await client.getExecution({ execution_id });
      const asked = waits.some(({ reason }) => reason === 'approval' || reason === 'callback');
      if (isFinal(status) || asked) {
        const { items } = await client.listSteps({ execution_id });
        const found = items.map((each) => [each.step, each.status, each.error, each.output]);
        if (asked) await client.cancelExecution({ execution_id });
        const text = JSON.stringify({ status, error, compensation, asked, found });
        return text.replaceAll(name, '<name>').replaceAll(workflow_id, '<workflow>');
      }
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    throw new Error(`${workflow_id} came to no end`);
  }

  const cases = (['engine', 'step_functions'] as const).flatMap((runtime) =>
    named.map((member) => {
      const where = `${member.compensates ? 'undoing by ' : ''}${member.type}`;
      return [`${runtime}: ${where} at ${member.path.join('/')}`, runtime, member] as const;
    }),
  );

  it('there are such places', () => {
    const things = new Set(named.map(({ thing }) => thing));
    expect([...things].sort()).toEqual(
      ['connection', 'connection_operation', 'user', 'version', 'workflow'].sort(),
    );
  });

  it.each(cases)(
    '%s',
    async (_, runtime, member) => {
      const of = (whose: keyof typeof names) =>
        outcome(member, names[whose][member.thing] ?? '', runtime);
      world.hits.length = 0;
      const nowhere = await of('nowhere');
      await untouched(database.admin, theirs, async () => {
        expect(await of('foreign')).toBe(nowhere);
        expect(await of('other mode')).toBe(nowhere);
      });
      // Nothing was reached through what is theirs, nor with their secrets.
      expect(world.hits).toEqual([]);
      // And it is the name that matters: nobody is looked up to be asked, and one's own host is not there.
      if (member.thing !== 'user' && member.type !== 'database_operation') {
        expect(await of('own')).not.toBe(nowhere);
      }
    },
    60_000,
  );
});
