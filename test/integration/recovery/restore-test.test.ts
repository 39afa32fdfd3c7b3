import { afterEach, describe, expect, it } from 'vitest';
import { restoredPrefix } from '#config/recovery.ts';
import type { JsonObject } from '#core/json.ts';
import type { Asked, Disturbance } from '#test/support/recovery/emulation.ts';
import {
  CLUSTER,
  createRecoveryWorld,
  type Ended,
  type RecoveryWorld,
  type RunOptions,
  START,
  type TaskTrouble,
  type WorldOptions,
} from '#test/support/recovery/run-workflow.ts';

const PREFIX = restoredPrefix('prod');
const SNAPSHOT = 'arn:aws:rds:us-east-1:111111111111:cluster-snapshot:awsbackup:job-1';
const HOUR = 3_600_000;
const DAY = 24 * HOUR;

const worlds: RecoveryWorld[] = [];
afterEach(() => Promise.all(worlds.splice(0).map((world) => world.close())));

async function createWorld(options: WorldOptions = {}): Promise<RecoveryWorld> {
  const world = await createRecoveryWorld(options);
  worlds.push(world);
  const { databases, services } = world.aws;
  databases.addCluster(CLUSTER);
  databases.snapshots.add(SNAPSHOT);
  services.recoveryPoints.push(
    { arn: `${SNAPSHOT}-old`, at: START - 27 * HOUR, status: 'COMPLETED' },
    { arn: SNAPSHOT, at: START - 3 * HOUR, status: 'COMPLETED' },
    { arn: `${SNAPSHOT}-unfinished`, at: START - HOUR, status: 'RUNNING' },
  );
  return world;
}

const run = (world: RecoveryWorld, input: JsonObject = {}, more: RunOptions = {}): Promise<Ended> =>
  world.run('restore-test', input, more);
const copies = ({ aws }: RecoveryWorld): string[] =>
  [...aws.databases.clusters.keys()].filter((id) => id !== CLUSTER);
const operations = ({ aws }: RecoveryWorld): string[] =>
  aws.asked.map(({ operation }) => operation);
const reports = ({ aws }: RecoveryWorld): JsonObject[] =>
  aws.objects.keys('reports/').map((key) => JSON.parse(aws.objects.documents.get(key) ?? ''));

/** Whatever happened: the original stands, and nothing was asked of it but to be looked at. */
function expectOriginalUntouched(world: RecoveryWorld): void {
  const { clusters, instances } = world.aws.databases;
  expect(clusters.get(CLUSTER)?.deletedAt).toBeNull();
  expect(instances.get(`${CLUSTER}-writer`)?.deletedAt).toBeNull();
  for (const { operation, input } of world.aws.asked) {
    if (!/^rds\.(?:Create|Delete|Restore)/.test(operation)) continue;
    const { DBClusterIdentifier, DBInstanceIdentifier } = input as Record<string, string>;
    expect(DBClusterIdentifier ?? DBInstanceIdentifier).toMatch(new RegExp(`^${PREFIX}`));
  }
}

describe('the weekly restore', () => {
  it('restores the newest complete backup, looks into the copy, reports, and removes it', async () => {
    const world = await createWorld();
    const ended = await run(world);
    expect(ended).toMatchObject({
      status: 'SUCCEEDED',
      output: { backup: { recovery_point: SNAPSHOT } },
    });
    expect(world.aws.services.checks).toEqual([
      { host: '127.0.0.1', executions: 2_000, seed: expect.any(Number) },
      { executions: 1, seed: expect.any(Number) },
    ]);
    expect(copies(world)).toEqual([]);
    expect([...world.aws.databases.instances.keys()]).toEqual([`${CLUSTER}-writer`]);
    expectOriginalUntouched(world);
    expect(reports(world)).toMatchObject([
      {
        recovered: true,
        report: { scenario: 'corruption', met: true, recovery_time_seconds: 180 },
        found: { backup: { age_seconds: 10_800 }, copy: { ok: true } },
      },
    ]);
    expect(world.aws.services.announced).toEqual([
      {
        subject: 'CloudFlow prod: the latest backup was restored and is whole',
        message: expect.stringContaining('"copy_removed": "SUCCESS"'),
      },
    ]);
  });

  it('marks the copy with who made it, and lets it in nowhere but where copies stand', async () => {
    const world = await createWorld();
    await run(world, {}, { name: 'sunday' });
    const restored = world.aws.asked.find(
      ({ operation }) => operation === 'rds.RestoreDBClusterFromSnapshot',
    );
    expect(restored?.input).toMatchObject({
      DBSubnetGroupName: 'cloudflow-prod-restored',
      DBClusterParameterGroupName: 'cloudflow-prod-restored',
      'VpcSecurityGroupIds.VpcSecurityGroupId.1': 'sg-1',
      EnableIAMDatabaseAuthentication: 'true',
      DeletionProtection: 'false',
    });
    expect(Object.values(restored?.input ?? {})).toContain('sunday');
  });

  it('restores to an instant where one is given, without asking for backups', async () => {
    const world = await createWorld();
    const until = new Date(START - 90 * 60_000).toISOString();
    expect(await run(world, { until })).toMatchObject({ status: 'SUCCEEDED' });
    const asked = world.aws.asked.find(
      ({ operation }) => operation === 'rds.RestoreDBClusterToPointInTime',
    );
    expect(asked?.input).toMatchObject({ SourceDBClusterIdentifier: CLUSTER });
    expect(Date.parse(String(asked?.input['RestoreToTime']))).toBe(Date.parse(until));
    expect(operations(world)).not.toContain('backup.ListRecoveryPointsByBackupVault');
    expect(copies(world)).toEqual([]);
  });

  it('fails, and makes nothing, where there is no backup', async () => {
    const world = await createWorld();
    world.aws.services.recoveryPoints.length = 0;
    const ended = await run(world);
    expect(ended).toMatchObject({ status: 'FAILED', error: 'CloudFlow.NotFound' });
    expect(operations(world)).not.toContain('rds.RestoreDBClusterFromSnapshot');
    expect(reports(world)).toMatchObject([{ recovered: false, report: null }]);
    expect(world.aws.services.announced[0]?.subject).toContain('FAILED');
  });

  it('removes a copy that RDS could not restore', async () => {
    const world = await createWorld();
    world.aws.databases.spoiled.add(SNAPSHOT);
    const ended = await run(world);
    expect(ended).toMatchObject({ status: 'FAILED', error: 'CloudFlow.IterationFailed' });
    expect(copies(world)).toEqual([]);
    expect(world.aws.services.checks).toEqual([]);
  });

  it.each([
    ['has violations', { violation_count: 2 }, 12],
    ['is empty while the original is not', { violation_count: 0 }, 0],
  ])('fails, and removes the copy, when it %s', async (_, more, executions) => {
    const report = (n: number) => ({
      ok: n > 0,
      complete: true,
      checked: { executions: n, events: n },
      totals: { executions: n, events: n, steps: n, tenants: 1, exact: false },
      last_accepted_at: null,
      violation_count: 0,
      violations: [],
    });
    const world = await createWorld({
      checkIntegrity: async (event) =>
        'host' in event ? { ...report(executions), ...more } : report(12),
    });
    expect(await run(world)).toMatchObject({ status: 'FAILED', error: 'RestoredDataDamaged' });
    expect(copies(world)).toEqual([]);
    expect(reports(world)).toMatchObject([{ recovered: false, report: null }]);
    expect(world.aws.services.announced[0]?.subject).toContain('FAILED');
  });

  it('fails, and removes the copy, when nobody can look into it', async () => {
    const world = await createWorld({ checkIntegrity: () => Promise.reject(new Error('no')) });
    expect(await run(world)).toMatchObject({
      status: 'FAILED',
      error: 'CloudFlow.DatabaseUnavailable',
    });
    expect(copies(world)).toEqual([]);
  });
});

/** A disturbance of the n-th request of an operation, and of no other. */
function once(operation: string, nth: number, how: Disturbance) {
  let seen = 0;
  return (asked: Asked): Disturbance | null => {
    if (asked.operation !== operation) return null;
    seen += 1;
    return seen === nth ? how : null;
  };
}

describe('a request of the weekly restore that is disturbed', () => {
  const EVERY: readonly Disturbance[] = ['throttled', 'broken', 'denied', 'cut', 'lost'];
  /** Every request that changes something in every way; of those that look, early and late ones. */
  const DISTURBED: readonly (readonly [
    operation: string,
    nth: readonly number[],
    ways: readonly Disturbance[],
  ])[] = [
    ['rds.RestoreDBClusterFromSnapshot', [1], EVERY],
    ['rds.CreateDBInstance', [1], EVERY],
    ['rds.DeleteDBInstance', [1], EVERY],
    ['rds.DeleteDBCluster', [1], EVERY],
    ['rds.DescribeDBClusters', [1, 2, 7], ['throttled', 'denied']],
    ['rds.DescribeDBInstances', [1, 4], ['denied', 'cut']],
    ['backup.ListRecoveryPointsByBackupVault', [1], ['broken', 'denied']],
    ['lambda.Invoke', [1, 2], ['broken', 'lost']],
    ['sns.Publish', [1], ['denied', 'cut']],
    ['s3.PutObject', [1, 2, 7, 18], ['broken', 'lost']],
    ['s3.GetObject', [1], ['broken', 'cut']],
  ];

  it.each(DISTURBED)(
    '%s, request %j, %j: the copy is removed all the same',
    async (operation, occurrences, ways) => {
      for (const nth of occurrences) {
        for (const how of ways) {
          const world = await createWorld();
          world.aws.disturb = once(operation, nth, how);
          const ended = await run(world);
          const said = `${operation} ${nth} ${how}`;
          expect([said, copies(world)]).toEqual([said, []]);
          expectOriginalUntouched(world);
          // What is tried again succeeds; what is forbidden, even once, fails loudly or was not needed.
          if (how !== 'denied') expect([said, ended.status]).toEqual([said, 'SUCCEEDED']);
          expect(['SUCCEEDED', 'FAILED']).toContain(ended.status);
        }
      }
    },
    600_000,
  );
});

describe('an operation that never works', () => {
  const always =
    (operation: string): RecoveryWorld['aws']['disturb'] =>
    (asked) =>
      asked.operation === operation ? 'denied' : null;

  it.each([
    'backup.ListRecoveryPointsByBackupVault',
    'rds.RestoreDBClusterFromSnapshot',
    'rds.CreateDBInstance',
    'lambda.Invoke',
    'sns.Publish',
  ])('%s: nothing is left behind', async (operation) => {
    const world = await createWorld();
    world.aws.disturb = always(operation);
    const ended = await run(world);
    // To tell nobody is no failure of the restore: its machine is watched.
    expect(ended.status).toBe(operation === 'sns.Publish' ? 'SUCCEEDED' : 'FAILED');
    expect(copies(world)).toEqual([]);
  });

  it('to remove: it fails after two hours of trying, says so, and the next week removes it', async () => {
    const world = await createWorld();
    world.aws.disturb = always('rds.DeleteDBCluster');
    const ended = await run(world, {}, { name: 'first' });
    expect(ended).toMatchObject({ status: 'FAILED', error: 'CloudFlow.LoopLimitExceeded' });
    expect(JSON.parse(ended.cause ?? '')).toMatchObject({ compensation: 'PARTIAL' });
    expect(copies(world)).toHaveLength(1);
    expect(world.aws.services.announced.at(-1)?.subject).toContain('FAILED');

    world.aws.disturb = () => null;
    await world.clock.advance(7 * DAY);
    expect(await run(world, {}, { name: 'second' })).toMatchObject({ status: 'SUCCEEDED' });
    expect(copies(world)).toEqual([]);
    expectOriginalUntouched(world);
  }, 300_000);
});

describe('a function that is in trouble itself', () => {
  const at =
    (state: string, how: 'throttled' | 'died-before' | 'died-after'): TaskTrouble =>
    (task) =>
      task.state === state ? how : null;
  const firstOf = (trouble: TaskTrouble): TaskTrouble => {
    let done = false;
    return (task) => {
      const found = done ? null : trouble(task);
      done ||= found !== null;
      return found;
    };
  };

  it.each([
    'sweep',
    'latest',
    'restore',
    'await_cluster.look',
    'attach',
    'await_instance.look',
    'verify',
    'original',
    'remove.once',
    'report',
    'announce',
    'cf.report',
  ])(
    'at %s: throttled, or dead after its work, the copy is removed',
    async (state) => {
      for (const how of ['throttled', 'died-after'] as const) {
        const world = await createWorld();
        world.trouble = firstOf(at(state, how));
        const ended = await run(world);
        expect(world.tasks).toContain(state);
        expect([state, how, copies(world)]).toEqual([state, how, []]);
        expect(['SUCCEEDED', 'FAILED']).toContain(ended.status);
        if (how === 'throttled') expect([state, ended.status]).toEqual([state, 'SUCCEEDED']);
      }
    },
    300_000,
  );
});
