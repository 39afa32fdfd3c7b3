import { afterEach, describe, expect, it } from 'vitest';
import type { PlatformWorkflowName } from '#config/platform-workflows.ts';
import type { JsonObject } from '#core/json.ts';
import type { Disturbance } from '#test/support/recovery/emulation.ts';
import {
  createRecoveryWorld,
  HOME,
  type RecoveryWorld,
  START,
} from '#test/support/recovery/run-workflow.ts';

const DAY = 86_400_000;
const worlds: RecoveryWorld[] = [];
afterEach(() => Promise.all(worlds.splice(0).map((world) => world.close())));

const secondsAgo = (days: number): number => (START - days * DAY) / 1_000;

async function createWorld(): Promise<RecoveryWorld> {
  const world = await createRecoveryWorld();
  worlds.push(world);
  const { secrets, topics } = world.aws.services;
  secrets.push(
    {
      Name: 'cloudflow/prod/mail',
      CreatedDate: secondsAgo(200),
      LastRotatedDate: secondsAgo(91),
      RotationEnabled: true,
      RotationRules: { AutomaticallyAfterDays: 90 },
    },
    {
      Name: 'cloudflow/prod/cursors',
      CreatedDate: secondsAgo(200),
      LastChangedDate: secondsAgo(10),
      PrimaryRegion: HOME,
    },
    {
      Name: 'cloudflow/prod/gone',
      CreatedDate: secondsAgo(400),
      DeletedDate: secondsAgo(1),
      RotationEnabled: true,
      RotationRules: { AutomaticallyAfterDays: 90 },
    },
  );
  topics.push(
    {
      topicName: 'workflow.commands',
      partitionCount: 256,
      replicationFactor: 3,
      configs: Buffer.from('{"retention.ms":"604800000"}').toString('base64'),
    },
    { topicName: 'workflow.events', partitionCount: 32, replicationFactor: 3 },
  );
  return world;
}

function written({ aws }: RecoveryWorld, folder: string): readonly [string, JsonObject][] {
  return aws.objects
    .keys(folder)
    .map((key) => [key, JSON.parse(aws.objects.documents.get(key) ?? '')]);
}

describe('the inventory of secrets', () => {
  it('has names, ages and rotation, says which is overdue, and asks for no value', async () => {
    const world = await createWorld();
    const ended = await world.run('secret-inventory', {}, { name: 'noon' });
    expect(ended.status).toBe('SUCCEEDED');
    expect(written(world, 'secrets/')).toEqual([
      [
        'secrets/2026/12/06/inventory-noon.json',
        {
          at: new Date(START).toISOString(),
          region: HOME,
          secrets: [
            expect.objectContaining({ name: 'cloudflow/prod/mail', age_days: 91, overdue: true }),
            expect.objectContaining({
              name: 'cloudflow/prod/cursors',
              age_days: 10,
              overdue: false,
              primary_region: HOME,
            }),
            expect.objectContaining({ name: 'cloudflow/prod/gone', overdue: false }),
          ],
        },
      ],
    ]);
    expect(new Set(world.aws.asked.map(({ operation }) => operation))).toEqual(
      new Set(['secrets.ListSecrets', 's3.GetObject', 's3.PutObject', 'sns.Publish']),
    );
    expect(world.aws.services.announced).toMatchObject([
      { message: expect.stringContaining('cloudflow/prod/mail') },
    ]);
  });

  it('tells nobody where none is overdue', async () => {
    const world = await createWorld();
    world.aws.services.secrets.shift();
    expect(await world.run('secret-inventory', {})).toMatchObject({ status: 'SUCCEEDED' });
    expect(world.aws.services.announced).toEqual([]);
  });
});

describe('the settings of topics', () => {
  it('are written for every topic', async () => {
    const world = await createWorld();
    expect(await world.run('topic-configurations', {})).toMatchObject({ status: 'SUCCEEDED' });
    expect(written(world, 'topics/').map(([, document]) => document)).toMatchObject([
      {
        topics: [
          {
            name: 'workflow.commands',
            partitions: 256,
            replicas: 3,
            settings: { 'retention.ms': '604800000' },
          },
          { name: 'workflow.events', partitions: 32, settings: {} },
        ],
      },
    ]);
  });

  it('are not written as none: a cluster without a topic fails', async () => {
    const world = await createWorld();
    world.aws.services.topics.length = 0;
    const ended = await world.run('topic-configurations', {});
    expect(ended).toMatchObject({ status: 'FAILED', error: 'CloudFlow.NotFound' });
    expect(written(world, 'topics/')).toEqual([]);
  });
});

describe.each<[PlatformWorkflowName, string, string]>([
  ['secret-inventory', 'secrets.ListSecrets', 'secrets/'],
  ['topic-configurations', 'kafka.ListTopics or DescribeTopic', 'topics/'],
])('%s', (workflow, list, folder) => {
  it.each<[string, Disturbance]>(
    [list, 's3.PutObject'].flatMap((operation) =>
      (['throttled', 'broken', 'cut', 'lost'] as const).map(
        (how) => [operation, how] as [string, Disturbance],
      ),
    ),
  )('%s, %s at first, second or third, is written once all the same', async (operation, how) => {
    for (const nth of [0, 1, 2]) {
      const world = await createWorld();
      let seen = 0;
      world.aws.disturb = (asked) => (asked.operation === operation && seen++ === nth ? how : null);
      expect(await world.run(workflow, {})).toMatchObject({ status: 'SUCCEEDED' });
      expect(written(world, folder)).toHaveLength(1);
    }
  });

  it('fails where it may not, and writes nothing', async () => {
    const world = await createWorld();
    world.aws.disturb = (asked) => (asked.operation === list ? 'denied' : null);
    const ended = await world.run(workflow, {});
    expect(ended).toMatchObject({ status: 'FAILED', error: 'CloudFlow.PermissionDenied' });
    expect(written(world, folder)).toEqual([]);
  });
});
