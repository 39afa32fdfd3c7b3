import { describe, expect, it } from 'vitest';
import type { HomeFacts } from '#config/recovery.ts';
import { OperationFailure } from '#core/operation-failure.ts';
import {
  createPlatformOperations,
  HOME_OPERATIONS,
  STANDBY_OPERATIONS,
} from '#services/operations/catalog.ts';
import { readHomeFacts, readStandbyFacts } from '#services/operations/facts.ts';
import type { HomeWorld, StandbyWorld } from '#services/operations/operation.ts';

/** Whatever is touched of it is a fault of the test: nothing may be asked of the world. */
const UNTOUCHED = new Proxy(
  {},
  {
    get: (_, name) => {
      throw new Error(`${String(name)} was asked for`);
    },
  },
);
const no = () => Promise.resolve(false);
const call = (operation: string, parameters: object | null = {}) => ({
  operation,
  parameters: parameters as never,
  executionId: 'e1',
  idempotencyKey: 'k1',
  signal: new AbortController().signal,
});
const valid: Readonly<Record<string, object>> = {
  'takeover.restore-name': { to: 'east.example' },
  'takeover.promote': { mode: 'planned' },
};

describe('operations of the platform', () => {
  const takeovers = Object.entries(STANDBY_OPERATIONS)
    .filter(([, { effect }]) => effect === 'takeover')
    .map(([name]) => name);

  it('that change what serves are these', () => {
    expect(takeovers).toEqual([
      'takeover.switch-name',
      'takeover.restore-name',
      'takeover.prepare',
      'takeover.promote',
      'takeover.scale',
    ]);
    expect(Object.values(HOME_OPERATIONS).map(({ effect }) => effect)).not.toContain('takeover');
  });

  it.each(takeovers)('%s is not done where nobody has approved it', async (name) => {
    const operations = createPlatformOperations(STANDBY_OPERATIONS, UNTOUCHED as StandbyWorld, no);
    expect(await operations.perform(call(name, valid[name]))).toMatchObject({
      ok: false,
      error: { code: 'CloudFlow.PermissionDenied' },
    });
  });

  it.each<[string, object | null, string]>([
    ['restore.everything', {}, "there is no operation 'restore.everything' here"],
    ['takeover.promote', { mode: 'planned' }, 'there is no operation'],
    ['toString', {}, 'there is no operation'],
    ['restore.begin', { recovery_point: '' }, '/recovery_point'],
    ['restore.begin', { id: 'cloudflow-prod' }, '/id'],
    ['restore.remove', null, 'parameters are no object'],
    ['integrity.check', { executions: 0 }, '/executions'],
  ])('%s with %j is refused, and nothing is touched', async (name, parameters, said) => {
    const operations = createPlatformOperations(HOME_OPERATIONS, UNTOUCHED as HomeWorld, no);
    expect(await operations.perform(call(name, parameters))).toMatchObject({
      ok: false,
      error: { code: 'CloudFlow.InvalidConfig', message: expect.stringContaining(said) },
    });
  });

  it('fail by a name of the language, and are thrown where the fault is ours', async () => {
    const facts = { vault: 'v' } as HomeFacts;
    const world = (latest: () => Promise<null>) =>
      ({ facts, backups: { latest }, clock: { now: () => 0 } }) as unknown as HomeWorld;
    const failing = world(() => Promise.reject(new OperationFailure('Throttled', 'slow down')));
    expect(
      await createPlatformOperations(HOME_OPERATIONS, failing, no).perform(call('backup.latest')),
    ).toMatchObject({ ok: false, error: { code: 'CloudFlow.Throttled' } });
    const broken = world(() => Promise.reject(new RangeError('a fault')));
    await expect(
      createPlatformOperations(HOME_OPERATIONS, broken, no).perform(call('backup.latest')),
    ).rejects.toThrow(RangeError);
  });
});

describe('what the deployment tells them', () => {
  it.each<[string, string]>([
    ['{', 'are not JSON'],
    ['[]', 'are no object'],
    ['{"stage":"test"}', '/stage'],
    ['{"stage":"prod","more":1}', '/more'],
  ])('%s is refused with all that is wrong', (source, said) => {
    expect(() => readHomeFacts(source)).toThrow(said);
    expect(() => readStandbyFacts(source)).toThrow(said);
  });
});
