import { afterEach, describe, expect, it } from 'vitest';
import type { PlatformWorkflowName } from '#config/platform-workflows.ts';
import type { JsonObject } from '#core/json.ts';
import type { Disturbance } from '#test/support/recovery/emulation.ts';
import {
  CLUSTER,
  createRecoveryWorld,
  HOME_FACTS,
  type RecoveryWorld,
  START,
} from '#test/support/recovery/run-workflow.ts';

const SNAPSHOT = 'arn:aws:rds:us-east-1:111111111111:cluster-snapshot:awsbackup:job-1';
const HOUR = 3_600_000;
const worlds: RecoveryWorld[] = [];
afterEach(() => Promise.all(worlds.splice(0).map((world) => world.close())));

async function createWorld(): Promise<RecoveryWorld> {
  const world = await createRecoveryWorld();
  worlds.push(world);
  const { databases, services } = world.aws;
  databases.addCluster(CLUSTER);
  databases.snapshots.add(SNAPSHOT);
  services.recoveryPoints.push({ arn: SNAPSHOT, at: START - 3 * HOUR, status: 'COMPLETED' });
  // November and the days beside it: those are other months.
  services.served.set('2026-10-31', { requests: 9_999, failed: 9_999 });
  services.served.set('2026-11-01', { requests: 600_000, failed: 0 });
  services.served.set('2026-11-30', { requests: 400_000, failed: 2_500 });
  services.served.set('2026-12-01', { requests: 9_999, failed: 9_999 });
  return world;
}

function written({ aws }: RecoveryWorld, folder: string): readonly JsonObject[] {
  return aws.objects.keys(folder).map((key) => JSON.parse(aws.objects.documents.get(key) ?? ''));
}

describe('the archive of the database', () => {
  it('is the latest backup, written out as files under its month, and noted when it is whole', async () => {
    const world = await createWorld();
    const ended = await world.run('database-archive', {}, { name: 'december' });
    const [task, ...others] = [...world.aws.databases.exports.values()];
    expect(others).toEqual([]);
    expect(task).toMatchObject({
      source: SNAPSHOT,
      input: {
        S3BucketName: HOME_FACTS.archive.bucket,
        S3Prefix: '2026/12',
        IamRoleArn: HOME_FACTS.archive.role,
        KmsKeyId: HOME_FACTS.archive.key,
      },
    });
    expect(ended).toMatchObject({
      status: 'SUCCEEDED',
      output: { gigabytes: 42, archive: { prefix: `2026/12/${task?.id}/` } },
    });
    expect(world.clock.now() - START).toBeGreaterThanOrEqual((3 * HOUR) / 4);
    expect(written(world, 'archives/')).toMatchObject([
      {
        bucket: HOME_FACTS.archive.bucket,
        prefix: `2026/12/${task?.id}/`,
        backup: { recovery_point: SNAPSHOT },
      },
    ]);
  });

  it('that fails in RDS fails, with no note, and repeats nothing of why', async () => {
    const world = await createWorld();
    world.aws.databases.spoiled.add(SNAPSHOT);
    const ended = await world.run('database-archive', {});
    expect(ended).toMatchObject({ status: 'FAILED', error: 'CloudFlow.IterationFailed' });
    expect(JSON.stringify(ended)).not.toContain('secret_customers');
    expect(written(world, 'archives/')).toEqual([]);
  });

  it('of a vault without a backup is none', async () => {
    const world = await createWorld();
    world.aws.services.recoveryPoints.length = 0;
    expect(await world.run('database-archive', {})).toMatchObject({
      status: 'FAILED',
      error: 'CloudFlow.NotFound',
    });
    expect(world.aws.databases.exports.size).toBe(0);
  });
});

describe('the report of the service level', () => {
  it('is of the month that is over: every day, the objective, the budget of errors, and what is owed', async () => {
    const world = await createWorld();
    const ended = await world.run('service-report', {}, { name: 'december' });
    expect(ended).toMatchObject({ status: 'SUCCEEDED', output: { month: '2026-11' } });
    expect(world.aws.objects.keys('service-level/')).toEqual([
      'service-level/2026/12/06/2026-11-december.json',
    ]);
    expect(written(world, 'service-level/')).toMatchObject([
      {
        month: '2026-11',
        requests: 1_000_000,
        failed: 2_500,
        percent: 99.75,
        objective: { percent: 99.9, met: false },
        budget: { failures: 1_000, spent_percent: 250 },
        agreed: { met: true, credit_percent: 0 },
        days: [
          { day: '2026-11-01', requests: 600_000, failed: 0 },
          { day: '2026-11-30', requests: 400_000, failed: 2_500 },
        ],
      },
    ]);
    expect(world.aws.services.announced).toMatchObject([
      {
        subject:
          'CloudFlow prod: service level of 2026-11: 99.75 %, objective MISSED, 250 % of the budget spent',
        message: expect.stringContaining('2026-11-30'),
      },
    ]);
    const asked = world.aws.asked.filter(({ operation }) => operation.startsWith('cloudwatch.'));
    expect(asked.map(({ input }) => JSON.stringify(input))).toEqual([
      expect.stringContaining('"MetricName":"Count"'),
      expect.stringContaining('"MetricName":"5XXError"'),
    ]);
    expect(JSON.stringify(asked)).toContain('{"Name":"ApiName","Value":"cloudflow-prod"}');
  });

  it('is of the month that was asked for, and of none that is not over', async () => {
    const world = await createWorld();
    expect(await world.run('service-report', { month: '2026-10' })).toMatchObject({
      output: { month: '2026-10', percent: 0, agreed: { credit_percent: 50 } },
    });
    expect(await world.run('service-report', { month: '2026-12' })).toMatchObject({
      status: 'FAILED',
      error: 'CloudFlow.InvalidConfig',
    });
  });
});

describe.each<[PlatformWorkflowName, string, string]>([
  ['database-archive', 'rds.StartExportTask', 'archives/'],
  ['database-archive', 'rds.DescribeExportTasks', 'archives/'],
  ['database-archive', 's3.PutObject', 'archives/'],
  ['service-report', 'cloudwatch.GetMetricData', 'service-level/'],
  ['service-report', 's3.PutObject', 'service-level/'],
])('%s, %s', (workflow, operation, folder) => {
  it.each<Disturbance>(['throttled', 'broken', 'cut', 'lost'])(
    '%s at first or second, is written once all the same',
    async (how) => {
      for (const nth of [0, 1]) {
        const world = await createWorld();
        let seen = 0;
        world.aws.disturb = (asked) =>
          asked.operation === operation && seen++ === nth ? how : null;
        expect(await world.run(workflow, {})).toMatchObject({ status: 'SUCCEEDED' });
        expect(written(world, folder)).toHaveLength(1);
        expect(world.aws.databases.exports.size).toBe(workflow === 'database-archive' ? 1 : 0);
      }
    },
  );

  it('fails where it may not, and writes nothing', async () => {
    const world = await createWorld();
    world.aws.disturb = (asked) => (asked.operation === operation ? 'denied' : null);
    expect(await world.run(workflow, {})).toMatchObject({ status: 'FAILED' });
    expect(written(world, folder)).toEqual([]);
  });
});

describe.each<[PlatformWorkflowName, readonly string[], string]>([
  ['database-archive', ['latest', 'begin', 'await_files.look', 'note', 'cf.report'], 'archives/'],
  ['service-report', ['report', 'announce', 'cf.report'], 'service-level/'],
])('%s, whose function is in trouble itself', (workflow, states, folder) => {
  it.each(states)('at %s: throttled it goes on, dead it may be started again', async (state) => {
    for (const how of ['throttled', 'died-after'] as const) {
      const world = await createWorld();
      let done = false;
      world.trouble = (task) => {
        const found = !done && task.state === state ? how : null;
        done ||= found !== null;
        return found;
      };
      const first = await world.run(workflow, {});
      expect(world.tasks).toContain(state);
      if (how === 'throttled') expect(first).toMatchObject({ status: 'SUCCEEDED' });
      if (first.status === 'SUCCEEDED') continue;
      expect(await world.run(workflow, {})).toMatchObject({ status: 'SUCCEEDED' });
      expect(written(world, folder).length).toBeGreaterThan(0);
    }
  });
});
