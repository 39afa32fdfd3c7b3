import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import {
  PLACEHOLDER_ACCOUNT,
  problemOf,
  readStageSettings,
  type StageSettings,
} from '#config/stage-settings.ts';
import { STAGES } from '#config/stages.ts';
import { ROOT } from '../../bin/build/bundle.ts';

const read = (stage: unknown, account?: unknown, environment = {}): StageSettings =>
  readStageSettings({ stage, account }, environment);

describe('settings of stages', () => {
  it.each(STAGES)('%s is a platform that can be made', (stage) => {
    expect(problemOf(read(stage))).toBeNull();
    expect(read(stage).account).toBe(PLACEHOLDER_ACCOUNT);
  });

  it('the account is the one that was named, first for this call, then for the stage', () => {
    const environment = { CLOUDFLOW_PROD_ACCOUNT: '222222222222' };
    expect(read('prod', undefined, environment).account).toBe('222222222222');
    expect(read('prod', '333333333333', environment).account).toBe('333333333333');
    expect(read('dev', undefined, environment).account).toBe(PLACEHOLDER_ACCOUNT);
  });

  it('a wrong stage or account is refused with what to write', () => {
    expect(() => read('production')).toThrow(
      'the stage is "production"; use one of dev, staging, prod',
    );
    expect(() => read(undefined)).toThrow('add -c stage= with one of dev, staging, prod');
    expect(() => read('dev', '12')).toThrow(
      'the account is "12"; write its 12 digits as -c account= or CLOUDFLOW_DEV_ACCOUNT',
    );
  });

  const prod = read('prod');
  const STORAGE = { gigabytes: 10, maxGigabytes: 20 };
  it.each<[string, Partial<StageSettings>]>([
    ['does not retain', { retain: false }],
    [
      'it has 2 zones; use 3',
      {
        zones: ['us-east-1a', 'us-east-1b'],
        network: { ...prod.network, natGateways: 2 },
        events: read('dev').events,
      },
    ],
    ['4 NAT gateways; use 1 to 3', { network: { ...prod.network, natGateways: 4 } }],
    ['no reader', { database: { ...prod.database, readers: 0 } }],
    [
      'it has 5 brokers in 3 zones; use a multiple of 3',
      { events: { ...prod.events, brokers: 5 } },
    ],
    ['it sets the storage of express brokers', { events: { ...prod.events, storage: STORAGE } }],
    [
      'it sets no storage of kafka.m7g.large brokers',
      { events: { ...prod.events, broker: 'kafka.m7g.large' } },
    ],
    [
      '468 copies of partitions; kafka.t3.small takes 300',
      { events: { ...prod.events, broker: 'kafka.t3.small', storage: STORAGE } },
    ],
    [
      'mail is from https://cloudflow.com; write the domain alone',
      { mail: { domain: 'https://cloudflow.com', hostedZoneId: null, ownAddresses: false } },
    ],
    ['no firewall', { api: { ...prod.api, firewall: false } }],
    ['write each as https://host', { api: { ...prod.api, allowedOrigins: ['http://here'] } }],
    ['spare capacity', { engine: { ...prod.engine, spot: true } }],
    ['30 to 24 tasks', { engine: { ...prod.engine, minTasks: 30 } }],
  ])('prod is refused: %s', (said, change) => {
    expect(problemOf({ ...prod, ...change })).toContain(said);
  });

  it('brokers that MSK has in three zones alone are refused in two', () => {
    const events = { ...prod.events, brokers: 2 };
    const two = { ...read('dev'), events };
    expect(problemOf(two)).toContain('it has express brokers in 2 zones; use 3 zones');
    expect(problemOf({ ...two, events: { ...read('dev').events, brokers: 3 } })).toContain(
      'it has 3 brokers in 2 zones; use a multiple of 2',
    );
  });

  it('the app says it in one sentence and fails', async () => {
    const run = promisify(execFile)(process.execPath, ['bin/cloudflow.ts'], {
      cwd: ROOT,
      env: { CDK_CONTEXT_JSON: JSON.stringify({ stage: 'qa' }) },
    });
    await expect(run).rejects.toMatchObject({
      code: 1,
      stdout: '',
      stderr: 'the stage is "qa"; use one of dev, staging, prod\n',
    });
  });
});
