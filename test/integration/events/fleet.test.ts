import pg from 'pg';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { describeWithKafka, type KafkaBroker, startKafka } from '#test/support/kafka.ts';
import {
  isAlive,
  makeFolder,
  type PlatformFolder,
  type RunningPlatform,
  readStack,
  within,
} from '../platform-process.ts';

const LONG_MS = 90_000;
const PAUSING = {
  workflow_id: 'pausing',
  version: '1.0.0',
  steps: [
    { id: 'a-while', type: 'wait', config: { duration: '1s' } },
    {
      id: 'then',
      type: 'transform',
      depends_on: ['a-while'],
      config: { value: { done: true } },
    },
  ],
};

/** The platform as `npm start -- --engines 2 --kafka` starts it. */
describeWithKafka('engines in processes of their own, and Kafka', () => {
  let folder: PlatformFolder;
  let broker: KafkaBroker;

  beforeEach(async () => {
    folder = await makeFolder();
    [broker] = (await startKafka()) as [KafkaBroker];
  }, 120_000);
  afterEach(() => folder.remove(), 60_000);

  const engines = (): readonly number[] =>
    ((readStack(folder.path)?.processes ?? []) as { role: string; pid: number }[])
      .filter(({ role }) => role === 'engine')
      .map(({ pid }) => pid);
  async function begin({ client }: RunningPlatform, many: number): Promise<readonly string[]> {
    return Promise.all(
      Array.from({ length: many }, async () => {
        const { execution_id } = await client.executeWorkflow({
          workflow_id: 'pausing',
          body: { runtime: 'engine' },
        });
        return execution_id;
      }),
    );
  }
  async function completed({ client }: RunningPlatform, ids: readonly string[]): Promise<void> {
    await within('all to end', LONG_MS, async () => {
      for (const execution_id of ids) {
        const { status } = await client.getExecution({ execution_id });
        if (status !== 'COMPLETED') return false;
      }
      return true;
    });
  }

  /** What the topics say has been read by those who count, each once. */
  async function billed({ postgresUrl }: RunningPlatform, ids: readonly string[]): Promise<void> {
    const database = new pg.Client({ connectionString: postgresUrl });
    await database.connect();
    try {
      const wanted = [...ids].sort();
      await within('all to be billed', LONG_MS, async () => {
        const { rows } = await database.query<{ id: string }>(
          'select execution_id as id from usage_records order by 1',
        );
        expect(rows.length).toBeLessThanOrEqual(wanted.length);
        return rows.length === wanted.length && rows.every(({ id }, i) => id === wanted[i]);
      });
    } finally {
      await database.end();
    }
  }

  it('whoever operates an execution is answered when an engine has heard it, and without brokers too', {
    timeout: 400_000,
  }, async () => {
    const platform = await folder.start([
      ...['--engines', '2', '--kafka', broker.address, '--no-example'],
    ]);
    const { client } = platform;
    await client.createWorkflow({
      body: {
        workflow_id: 'pausing',
        version: '1.0.0',
        steps: [{ id: 'long', type: 'wait', config: { duration: '30d' } }],
      } as never,
    });
    const [one, two] = (await begin(platform, 2)) as [string, string];
    const runs = async (execution_id: string) =>
      (await client.getExecution({ execution_id })).status === 'RUNNING';
    await within('both to run', LONG_MS, async () => (await runs(one)) && (await runs(two)));
    // Groups come together for the first time, which takes Kafka seconds, and neighbours may make it more.
    const wait = { execution_id: one, query: { wait: true } } as const;
    await within('an answer of an engine', LONG_MS, async () => {
      const { phase } = await client.pauseExecution(wait);
      if (phase === 'paused') return true;
      await client.resumeExecution(wait);
      return false;
    });
    await broker.kill();
    const asked = await client.cancelExecution({ execution_id: two, query: { wait: true } });
    expect(asked.id).toBe(two);
    await within('an end', LONG_MS, async () => {
      const { status } = await client.getExecution({ execution_id: two });
      return status === 'CANCELLED';
    });
    await broker.start();
    platform.signal('SIGTERM');
    expect(await platform.ended).toMatchObject({ code: 0 });
  });

  it('with the broker and an engine killed, what was acknowledged ends, and is told once the broker is back', {
    timeout: 400_000,
  }, async () => {
    const platform = await folder.start([
      ...['--engines', '2', '--kafka', broker.address, '--no-example'],
    ]);
    expect(readStack(folder.path)).toMatchObject({ kafka_brokers: broker.address });
    await platform.client.createWorkflow({ body: PAUSING as never });
    const before = await begin(platform, 20);
    await completed(platform, before);

    await broker.kill();
    const [victim] = engines();
    const without = await begin(platform, 20);
    process.kill(victim ?? 0, 'SIGKILL');
    await completed(platform, without);
    await within('another engine', LONG_MS, () => {
      const now = engines();
      return now.length === 2 && now.every((pid) => pid !== victim && isAlive(pid));
    });

    await broker.start();
    const after = await begin(platform, 20);
    await completed(platform, after);
    await billed(platform, [...before, ...without, ...after]);
    platform.signal('SIGTERM');
    expect(await platform.ended).toMatchObject({ code: 0 });
  });

  it('a platform that begins while its brokers are away ends what was acknowledged, and tells of it later', {
    timeout: 400_000,
  }, async () => {
    const flags = ['--engines', '2', '--kafka', broker.address, '--no-example'];
    const first = await folder.start(flags);
    await first.client.createWorkflow({ body: PAUSING as never });
    const before = await begin(first, 20);
    await broker.kill();
    first.signal('SIGKILL');
    await first.ended;

    const second = await folder.start(flags);
    const meanwhile = await begin(second, 20);
    await completed(second, [...before, ...meanwhile]);
    await broker.start();
    await billed(second, [...before, ...meanwhile]);
    second.signal('SIGTERM');
    expect(await second.ended).toMatchObject({ code: 0 });
  });

  it('a platform that never saw its brokers ends in order', { timeout: 400_000 }, async () => {
    await broker.kill();
    const platform = await folder.start(['--kafka', broker.address, '--no-example']);
    platform.signal('SIGTERM');
    expect(await platform.ended).toMatchObject({ code: 0 });
  });
});
