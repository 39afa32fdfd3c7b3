import { afterEach, describe, expect, it } from 'vitest';
import type { JsonObject } from '#core/json.ts';
import type { Asked, Disturbance } from '#test/support/recovery/emulation.ts';
import {
  API_NAME,
  ARN_OF,
  CLUSTER,
  createRecoveryWorld,
  type Ended,
  GLOBAL,
  HOME,
  type RecoveryWorld,
  STANDBY,
  STANDBY_FACTS,
  START,
  type WorldOptions,
} from '#test/support/recovery/run-workflow.ts';

const EAST = 'east.execute-api.example';
const WEST = STANDBY_FACTS.dns?.host ?? '';
const EXECUTION = 'take-over';
/** Requests that change what serves; everything else looks, writes a document or tells somebody. */
const CHANGES = [
  'rds.CreateDBInstance',
  'rds.SwitchoverGlobalCluster',
  'rds.FailoverGlobalCluster',
  'route53.ChangeResourceRecordSets',
  'scaling.RegisterScalableTarget',
];
const HARMLESS =
  /^(?:rds\.Describe\w+|route53\.(?:List|Get)\w+|ecs\.DescribeServices|s3\.(?:Get|Put)Object|sns\.Publish|lambda\.Invoke)$/;

const worlds: RecoveryWorld[] = [];
afterEach(() => Promise.all(worlds.splice(0).map((world) => world.close())));

async function createWorld(options: WorldOptions = {}): Promise<RecoveryWorld> {
  const world = await createRecoveryWorld(options);
  worlds.push(world);
  const { databases, names } = world.aws;
  databases.addCluster(CLUSTER, { headless: true });
  databases.addGlobal(GLOBAL, [ARN_OF(HOME), ARN_OF(STANDBY)]);
  names.records.set(API_NAME, { host: EAST, ttl: 60 });
  return world;
}

type Decision = 'approved' | 'rejected' | 'nobody';

/** What was asked before anybody had approved. */
interface TakeOver extends Ended {
  readonly before: readonly string[];
}

/** Runs one; somebody answers whenever somebody is asked, and tries again when that goes wrong. */
async function takeOver(
  world: RecoveryWorld,
  input: JsonObject = { mode: 'planned' },
  decision: Decision = 'approved',
  name = EXECUTION,
): Promise<TakeOver> {
  let before: readonly string[] | null = null;
  const { services, asked } = world.aws;
  const from = asked.length;
  const since = (): string[] => asked.slice(from).map(({ operation }) => operation);
  const questions = (): number =>
    services.announced.filter(({ subject }) => subject.includes('waits for an approval')).length;
  let answered = questions();
  const answer = async (tries = 3): Promise<void> => {
    try {
      await world.answer({ execution: name, step: 'approve', decision, by: 'anna' } as never);
    } catch (error) {
      if (tries === 1) throw error;
      await answer(tries - 1);
    }
  };
  const ended = await world.run('region-failover', input, {
    name,
    meanwhile: async () => {
      if (decision === 'nobody' || questions() === answered) return false;
      answered = questions();
      before ??= since();
      await answer();
      return true;
    },
  });
  // What was set in motion comes to an end, whatever became of the execution.
  await world.clock.advance(600_000);
  return { ...ended, before: before ?? since() };
}

const changesIn = (operations: readonly string[]): string[] =>
  operations.filter((operation) => !HARMLESS.test(operation));
const changesOf = ({ aws }: RecoveryWorld): string[] =>
  changesIn(aws.asked.map(({ operation }) => operation));
const writerOf = ({ aws }: RecoveryWorld): string | undefined =>
  aws.databases.globalWriter(GLOBAL)?.split(':')[3];
const hostOf = ({ aws }: RecoveryWorld): string | undefined =>
  aws.names.records.get(API_NAME)?.host;
const reports = ({ aws }: RecoveryWorld): JsonObject[] =>
  aws.objects.keys('reports/').map((key) => JSON.parse(aws.objects.documents.get(key) ?? ''));
const said = ({ aws }: RecoveryWorld): string | undefined => aws.services.announced.at(-1)?.subject;

/** T1 nothing before an approval; T2 the name leads to where the database writes. */
function expectConsistent(world: RecoveryWorld, { before, status }: TakeOver): void {
  expect(changesIn(before)).toEqual([]);
  expect(['SUCCEEDED', 'FAILED']).toContain(status);
  expect([writerOf(world), hostOf(world)]).toEqual(
    writerOf(world) === STANDBY ? [STANDBY, WEST] : [HOME, EAST],
  );
}

describe('a take-over', () => {
  it.each(['planned', 'unplanned'])(
    'that is %s switches the name, promotes, scales, verifies, reports and tells, in this order',
    async (mode) => {
      const world = await createWorld();
      const input = { mode, failed_at: new Date(START - 300_000).toISOString() };
      const ended = await takeOver(world, input);
      expectConsistent(world, ended);
      expect(ended).toMatchObject({ status: 'SUCCEEDED', output: { dry_run: false } });
      const [instance, name, ...rest] = changesOf(world);
      // These two need nothing of each other.
      expect([instance, name].sort()).toEqual([
        'rds.CreateDBInstance',
        'route53.ChangeResourceRecordSets',
      ]);
      expect(rest).toEqual([
        mode === 'planned' ? 'rds.SwitchoverGlobalCluster' : 'rds.FailoverGlobalCluster',
        'scaling.RegisterScalableTarget',
      ]);
      expect([writerOf(world), hostOf(world)]).toEqual([STANDBY, WEST]);
      expect(world.aws.names.records.get(API_NAME)?.ttl).toBe(60);
      expect(world.aws.services.fleet).toMatchObject({ least: 12, most: 24 });
      expect(world.aws.services.checks).toEqual([
        { host: '127.0.0.1', executions: 5_000, seed: expect.any(Number) },
      ]);
      expect(reports(world)).toMatchObject([
        {
          recovered: true,
          timeline: { scenario: 'region', failed_at: input.failed_at },
          report: { met: false, detection_seconds: 300, recovery_point_seconds: 900 },
          found: { plan: { writer: HOME }, approved: { decision: 'approved' } },
        },
      ]);
      expect(said(world)).toContain('this region has taken over');
    },
  );

  it('asks a person, and says what for, before it changes anything', async () => {
    const world = await createWorld();
    await takeOver(world);
    const [asked] = world.aws.services.announced;
    expect(asked?.subject).toContain('region-failover waits for an approval');
    for (const part of [API_NAME, WEST, STANDBY, 'npx cloudflow recovery approve take-over']) {
      expect(asked?.message).toContain(part);
    }
  });

  it('that is only tried changes nothing, asks nobody and says what it would do', async () => {
    const world = await createWorld();
    const ended = await takeOver(world, { mode: 'unplanned', dry_run: true }, 'nobody');
    expect(ended).toMatchObject({
      status: 'SUCCEEDED',
      output: { dry_run: true, plan: { changes: { length: 3 } } },
    });
    expect(changesOf(world)).toEqual([]);
    expect(reports(world)).toEqual([]);
    expect(world.aws.services.announced).toHaveLength(1);
    expect(said(world)).toContain('nothing was changed');
  });

  it.each(['rejected', 'nobody'] as const)(
    'that is approved by nobody (%s) changes nothing and fails',
    async (decision) => {
      const world = await createWorld();
      const ended = await takeOver(world, { mode: 'planned' }, decision);
      expect(ended.status).toBe('FAILED');
      expect(changesOf(world)).toEqual([]);
      expect([writerOf(world), hostOf(world)]).toEqual([HOME, EAST]);
      expect(reports(world)).toMatchObject([{ recovered: false, report: null }]);
      expect(said(world)).toContain('did NOT end well');
      if (decision === 'nobody')
        expect(world.clock.now() - START).toBeGreaterThanOrEqual(7_200_000);
    },
  );

  it('goes on without the name where a person switches it', async () => {
    const world = await createWorld();
    const ended = await takeOver(world, { mode: 'unplanned', keep_name: true });
    expect(ended.status).toBe('SUCCEEDED');
    expect(changesOf(world)).not.toContain('route53.ChangeResourceRecordSets');
    expect([writerOf(world), hostOf(world)]).toEqual([STANDBY, EAST]);
  });

  it('where neither an API nor an engine waits promotes and verifies the database', async () => {
    const world = await createWorld({ standby: { dns: null, engine: null } });
    const ended = await takeOver(world);
    expect(ended.status).toBe('SUCCEEDED');
    expect(changesOf(world)).toEqual(['rds.CreateDBInstance', 'rds.SwitchoverGlobalCluster']);
    expect(writerOf(world)).toBe(STANDBY);
  });

  it('that finds damage does not go back, fails and says so', async () => {
    const damaged = {
      violation_count: 3,
      violations: [],
      last_accepted_at: new Date(START).toISOString(),
    };
    const world = await createWorld({ checkIntegrity: () => Promise.resolve(damaged) });
    const ended = await takeOver(world);
    expect(ended).toMatchObject({ status: 'FAILED', error: 'TakenOverDataDamaged' });
    expectConsistent(world, ended);
    expect(writerOf(world)).toBe(STANDBY);
    expect(reports(world)).toMatchObject([{ recovered: false }]);
    expect(said(world)).toContain('did NOT end well');
  });

  it('refuses a database that is no part of the global one, before anybody is asked', async () => {
    const world = await createWorld();
    world.aws.databases.addGlobal(GLOBAL, [ARN_OF(HOME)]);
    const ended = await takeOver(world);
    expect(ended).toMatchObject({ status: 'FAILED', error: 'CloudFlow.Rejected' });
    expect(changesOf(world)).toEqual([]);
  });

  it('refuses a name that is an alias, and changes nothing that it had not changed', async () => {
    const world = await createWorld();
    world.aws.names.records.set(API_NAME, { host: EAST, ttl: null });
    const ended = await takeOver(world);
    expect(ended).toMatchObject({ status: 'FAILED', error: 'CloudFlow.Rejected' });
    expectConsistent(world, ended);
    expect(writerOf(world)).toBe(HOME);
  });
});

/** A disturbance of the n-th request of an operation; of every one when no number is given. */
function disturbing(operation: string, how: Disturbance, nth?: number) {
  let seen = 0;
  return (asked: Asked): Disturbance | null => {
    if (asked.operation !== operation) return null;
    seen += 1;
    return nth === undefined || seen === nth ? how : null;
  };
}

describe('a request of a take-over that is disturbed', () => {
  const EVERY: readonly Disturbance[] = ['throttled', 'broken', 'denied', 'cut', 'lost'];
  /** Every request that changes something in every way; of those that look, early and late ones. */
  const DISTURBED: readonly (readonly [
    operation: string,
    nth: readonly number[],
    ways: readonly Disturbance[],
  ])[] = [
    ['route53.ChangeResourceRecordSets', [1], EVERY],
    ['rds.CreateDBInstance', [1], EVERY],
    ['rds.SwitchoverGlobalCluster', [1], EVERY],
    ['scaling.RegisterScalableTarget', [1], EVERY],
    ['rds.DescribeGlobalClusters', [1, 2, 3], ['throttled', 'denied']],
    ['rds.DescribeDBClusters', [1, 3], ['broken', 'denied']],
    ['route53.ListResourceRecordSets', [1, 2], ['throttled', 'cut']],
    ['route53.GetChange', [1], ['broken', 'denied']],
    ['ecs.DescribeServices', [1, 2], ['cut', 'denied']],
    ['lambda.Invoke', [1], ['broken', 'denied', 'lost']],
    ['sns.Publish', [1, 2], ['throttled', 'cut', 'lost']],
    ['s3.PutObject', [1, 2, 6, 15], ['broken', 'lost']],
    ['s3.GetObject', [1, 4], ['broken', 'cut']],
  ];

  it.each(DISTURBED)(
    '%s, request %j, %j: the name leads to where the database writes',
    async (operation, occurrences, ways) => {
      for (const nth of occurrences) {
        for (const how of ways) {
          const world = await createWorld();
          world.aws.disturb = disturbing(operation, how, nth);
          const ended = await takeOver(world);
          expectConsistent(world, ended);
          const what = `${operation} ${nth} ${how}`;
          expect(
            world.aws.asked.filter((each) => each.operation === operation).length,
            what,
          ).toBeGreaterThanOrEqual(nth);
          // What is tried again succeeds; what is forbidden, even once, fails loudly.
          if (how !== 'denied') expect([what, ended.status]).toEqual([what, 'SUCCEEDED']);
          if (ended.status === 'SUCCEEDED') expect(writerOf(world)).toBe(STANDBY);
        }
      }
    },
    600_000,
  );
});

describe('an operation that never works', () => {
  it.each([
    ['rds.DescribeGlobalClusters', HOME],
    ['route53.ChangeResourceRecordSets', HOME],
    ['rds.CreateDBInstance', HOME],
    ['rds.SwitchoverGlobalCluster', HOME],
    // Once the database writes here there is one way, forward.
    ['scaling.RegisterScalableTarget', STANDBY],
    ['lambda.Invoke', STANDBY],
  ])('%s: it fails, and name and database are both in %s', async (operation, region) => {
    const world = await createWorld();
    world.aws.disturb = disturbing(operation, 'denied');
    const ended = await takeOver(world);
    expect(ended.status).toBe('FAILED');
    expectConsistent(world, ended);
    expect(writerOf(world)).toBe(region);
    expect(said(world)).toContain('did NOT end well');
  });

  it.each(['scaling.RegisterScalableTarget', 'lambda.Invoke', 'rds.SwitchoverGlobalCluster'])(
    '%s: once it does, the same take-over started again goes on from there',
    async (operation) => {
      const world = await createWorld();
      world.aws.disturb = disturbing(operation, 'denied');
      await takeOver(world, { mode: 'planned' }, 'approved', 'first');
      world.aws.disturb = () => null;
      const from = world.aws.asked.length;
      const ended = await takeOver(world, { mode: 'planned' }, 'approved', 'second');
      expect(ended.status).toBe('SUCCEEDED');
      expectConsistent(world, ended);
      expect(writerOf(world)).toBe(STANDBY);
      const again = world.aws.asked.slice(from).map((each) => each.operation);
      // What is done already is found done.
      const promotions = again.filter((each) => each === 'rds.SwitchoverGlobalCluster').length;
      expect(promotions).toBe(operation === 'rds.SwitchoverGlobalCluster' ? 1 : 0);
    },
  );
});

describe('a function that is in trouble itself', () => {
  it.each([
    'plan',
    'approve',
    'switch_name',
    'prepare',
    'await_instance.look',
    'promote',
    'await_writer.look',
    'scale',
    'await_engine.look',
    'await_name.look',
    'verify',
    'report',
    'announce',
    'cf.report',
  ])(
    'at %s: throttled, or dead before or after its work, name and database agree',
    async (state) => {
      for (const how of ['throttled', 'died-before', 'died-after'] as const) {
        const world = await createWorld();
        let done = false;
        world.trouble = (task) => {
          if (done || task.state !== state) return null;
          done = true;
          return how;
        };
        const ended = await takeOver(world);
        expect(done, `${state} was never run`).toBe(true);
        expectConsistent(world, ended);
        if (how === 'throttled') expect([state, ended.status]).toEqual([state, 'SUCCEEDED']);
      }
    },
    300_000,
  );
});

it('does nothing a person has not approved, whoever asks and whatever another execution was told', async () => {
  const world = await createWorld();
  await takeOver(world, { mode: 'planned' }, 'approved', 'approved-one');
  const from = changesOf(world).length;
  await takeOver(world, { mode: 'planned' }, 'rejected', 'rejected-one');
  expect(changesOf(world).length).toBe(from);
  expect(CHANGES.sort()).toEqual(
    [...new Set(changesOf(world))].concat('rds.FailoverGlobalCluster').sort(),
  );
});
