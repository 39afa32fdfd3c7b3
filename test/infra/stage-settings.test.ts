import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { App, Stack } from 'aws-cdk-lib/core';
import { describe, expect, it } from 'vitest';
import type { EventSettings } from '#config/brokers.ts';
import {
  problemOfContext,
  problemOfSettings,
  readRepository,
  refuseRepository,
} from '#config/stage-problems.ts';
import {
  PLACEHOLDER_ACCOUNT,
  problemOf,
  readStageSettings,
  type StageSettings,
  type StandbySettings,
  takeOver,
} from '#config/stage-settings.ts';
import { STAGES } from '#config/stages.ts';
import { ROOT } from '../../bin/build/bundle.ts';
import { synthDone } from '../../bin/build/synth-done.ts';
import { synthFailure } from '../../bin/build/synth-failure.ts';

const read = (stage: unknown, account?: unknown, environment = {}): StageSettings =>
  readStageSettings({ stage, account }, environment);

const WAITS: StandbySettings = {
  region: 'us-west-2',
  zones: ['us-west-2a', 'us-west-2b', 'us-west-2c'],
  cidr: '10.31.0.0/16',
  api: null,
  engine: null,
};

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

  it('a stage is asked for where it serves or where it waits, and only where one waits', () => {
    const there = readStageSettings({ stage: 'prod', account: undefined, region: 'standby' }, {});
    expect(there).toMatchObject({
      region: 'us-west-2',
      zones: ['us-west-2a', 'us-west-2b', 'us-west-2c'],
      takesOver: 'us-east-1',
      standby: null,
      network: { cidr: '10.31.0.0/16' },
      rehearses: false,
    });
    expect(readStageSettings({ stage: 'prod', account: undefined, region: 'home' }, {})).toEqual(
      read('prod'),
    );
    expect(() =>
      readStageSettings({ stage: 'prod', account: undefined, region: 'us-west-2' }, {}),
    ).toThrow('the region is "us-west-2"; use one of home, standby');
    expect(() =>
      readStageSettings({ stage: 'dev', account: undefined, region: 'standby' }, {}),
    ).toThrow('stage dev: no region waits to take over; leave -c region=standby out');
  });

  it('a stage whose API has a name takes over only where that name can be switched to', () => {
    const named = {
      ...prod,
      api: { ...prod.api, domain: { name: 'api.example.com', certificateArn: 'here' } },
    };
    expect(() => takeOver(named)).toThrow(
      'its API is called api.example.com, and nothing says where that name is kept; set standby.api',
    );
    const api = { hostedZoneId: 'Z1', certificateArn: 'there' };
    expect(takeOver({ ...named, standby: { ...prod.standby!, api } }).api.domain).toEqual({
      name: 'api.example.com',
      certificateArn: 'there',
    });
  });

  const prod = read('prod');
  const STORAGE = { gigabytes: 10, maxGigabytes: 20 };
  const KAFKA = prod.events as EventSettings;
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
    [
      'its network is 10.30.0.0/16 in both regions; use another for standby.cidr',
      { standby: { ...WAITS, cidr: '10.30.0.0/16' } },
    ],
    [
      'it has 3 zones and 2 in its standby region; use as many',
      { standby: { ...WAITS, zones: WAITS.zones.slice(0, 2) } },
    ],
    ['4 NAT gateways; use 1 to 3', { network: { ...prod.network, natGateways: 4 } }],
    ['no reader', { database: { ...prod.database, readers: 0 } }],
    ['it has 5 brokers in 3 zones; use a multiple of 3', { events: { ...KAFKA, brokers: 5 } }],
    ['it has 12 brokers; use 10 or fewer and larger ones', { events: { ...KAFKA, brokers: 12 } }],
    ['it sets the storage of express brokers', { events: { ...KAFKA, storage: STORAGE } }],
    [
      'it sets no storage of kafka.m7g.large brokers',
      { events: { ...KAFKA, broker: 'kafka.m7g.large' } },
    ],
    [
      '476 copies of partitions; kafka.t3.small takes 300',
      { events: { ...KAFKA, broker: 'kafka.t3.small', storage: STORAGE } },
    ],
    [
      'mail is from https://cloudflow.com; write the domain alone',
      { mail: { domain: 'https://cloudflow.com', hostedZoneId: null, ownAddresses: false } },
    ],
    [
      '10000 requests a second for hours and 9000 at the peak; use a peak that is no less',
      { api: { ...prod.api, requests: { sustained: 10_000, peak: 9_000 } } },
    ],
    ['it has no Kafka; set events', { events: null }],
    ['no firewall', { api: { ...prod.api, firewall: false } }],
    ['write each as https://host', { api: { ...prod.api, allowedOrigins: ['http://here'] } }],
    ['spare capacity', { engine: { ...prod.engine, spot: true } }],
    ['30 to 24 tasks', { engine: { ...prod.engine, minTasks: 30 } }],
  ])('prod is refused: %s', (said, change) => {
    expect(problemOf({ ...prod, ...change })).toContain(said);
  });

  it('brokers that MSK has in three zones alone are refused in two', () => {
    const events = { ...KAFKA, brokers: 2 };
    const two = { ...read('dev'), events };
    expect(problemOf(two)).toContain('it has express brokers in 2 zones; use 3 zones');
    expect(
      problemOf({
        ...two,
        events: { ...events, broker: 'kafka.m7g.large', storage: STORAGE, brokers: 3 },
      }),
    ).toContain('it has 3 brokers in 2 zones; use a multiple of 2');
  });

  it.each<[string, (settings: StageSettings) => object]>([
    ['its region is "us-east"; write it as us-east-1', () => ({ region: 'us-east' })],
    ['its zone eu-west-1a is not in us-east-1', () => ({ zones: ['us-east-1a', 'eu-west-1a'] })],
    ['it names a zone twice', () => ({ zones: ['us-east-1a', 'us-east-1a'] })],
    [
      'use a private /16 such as 10.10.0.0/16',
      ({ network }) => ({ network: { ...network, cidr: '10.0.0.0/8' } }),
    ],
    [
      'backups are kept for days, which is 36; use a whole number from 1 to 35',
      ({ database }) => ({ database: { ...database, backupDays: 36 } }),
    ],
    [
      'its database has 0.75 units; use halves and wholes up to 256',
      ({ database }) => ({
        database: { ...database, capacity: { kind: 'serverless', minUnits: 0.75, maxUnits: 4 } },
      }),
    ],
    [
      'its database runs on t3.micro; use an instance of Aurora such as r7g.2xlarge',
      ({ database }) => ({
        database: { ...database, capacity: { kind: 'provisioned', instance: 't3.micro' } },
      }),
    ],
    [
      'a task of the engine has a CPU of 3000; use one of 512, 1024, 2048, 4096, 8192, 16384',
      ({ engine }) => ({ engine: { ...engine, cpu: 3_000 } }),
    ],
    [
      'a task of the engine has 4096 MB beside a CPU of 4096; use 8192 to 30720 in steps of 1024',
      ({ engine }) => ({ engine: { ...engine, cpu: 4_096, memoryMb: 4_096 } }),
    ],
    [
      'the number of requests a second is 0.5; use a whole number from 1',
      ({ api }) => ({ api: { ...api, requests: { ...api.requests, sustained: 0.5 } } }),
    ],
    [
      'the number of requests a second at the peak is -1; use a whole number from 1',
      ({ api }) => ({ api: { ...api, requests: { ...api.requests, peak: -1 } } }),
    ],
    [
      'its domain is "https://api.example.com"; write a host such as api.example.com',
      ({ api }) => ({
        api: { ...api, domain: { name: 'https://api.example.com', certificateArn: 'arn' } },
      }),
    ],
    [
      'use one of its own account and region, arn:aws:acm:us-east-1:111111111111:certificate/',
      ({ api }) => ({
        api: {
          ...api,
          domain: {
            name: 'api.example.com',
            certificateArn: 'arn:aws:acm:eu-west-1:111111111111:certificate/1',
          },
        },
      }),
    ],
    ['the number of instances kept warm is -1', () => ({ warmInstances: -1 })],
    [
      'its network in the standby region is 10.31.0.0/24; use a private /16',
      () => ({ standby: { ...WAITS, cidr: '10.31.0.0/24' } }),
    ],
    [
      'use one of its own account and of that region, arn:aws:acm:us-west-2:111111111111:certificate/',
      () => ({
        standby: {
          ...WAITS,
          api: {
            hostedZoneId: 'Z1',
            certificateArn: 'arn:aws:acm:us-east-1:111111111111:certificate/1',
          },
        },
      }),
    ],
    [
      'the zone of its name is "example.com"; use the id that Route 53 gave it',
      () => ({
        standby: {
          ...WAITS,
          api: {
            hostedZoneId: 'example.com',
            certificateArn: 'arn:aws:acm:us-west-2:111111111111:certificate/1',
          },
        },
      }),
    ],
  ])('every stage is refused: %s', (said, change) => {
    for (const stage of STAGES) {
      const settings = read(stage);
      expect(problemOfSettings({ ...settings, ...change(settings) })).toContain(said);
    }
  });

  it('a context key that nobody knows is refused, and CDK keeps its own', () => {
    expect(problemOfContext(['stage', 'account', '@aws-cdk/core:x', 'aws:cdk:y'])).toBeNull();
    expect(problemOfContext(['stage', 'zone'])).toBe(
      '-c zone= is not known; use -c stage=, -c account=, -c repository=, -c region=; all else that a stage is stands in lib/config/stage-settings.ts',
    );
  });

  it('a repository is written as GitHub writes it', () => {
    expect(readRepository(undefined)).toBeNull();
    expect(readRepository('acme/cloudflow')).toBe('acme/cloudflow');
    for (const wrong of ['cloudflow', 'acme/*', 'https://github.com/acme/cloudflow', 'a/b:c', 1]) {
      expect(() => readRepository(wrong)).toThrow('write it as GitHub does, -c repository=OWNER/');
    }
  });

  it('a failure of CDK is its sentence and our place, not the minified file it came from', () => {
    let failure: unknown;
    try {
      new Stack(new App(), 'not a name!');
    } catch (error) {
      failure = error;
    }
    const said = synthFailure(failure, ROOT);
    expect(said).toMatch(/^the synth failed: .*not a name!/);
    expect(said).toContain('stage-settings.test.ts');
    expect(said).not.toContain('node_modules');
    expect(said.length).toBeLessThan(1_000);
    const long = synthFailure(new Error('x'.repeat(50_000)), ROOT);
    expect(long).toContain('(50000 characters)');
    expect(long.length).toBeLessThan(3_000);
    expect(synthFailure('no error', ROOT)).toBe('the synth failed: no error\n');
  });

  it('what was made is said: which stage, where, whose, and how to name another', () => {
    expect(synthDone(read('dev'), 20, 'cdk.out')).toBe(
      `stage dev in us-east-1: 20 stacks in cdk.out; account ${PLACEHOLDER_ACCOUNT} is a placeholder: -c account= or CLOUDFLOW_DEV_ACCOUNT names yours; other stages: -c stage=staging, -c stage=prod\n`,
    );
    expect(synthDone(read('prod', '333333333333'), 30, 'out')).toBe(
      'stage prod in us-east-1: 30 stacks in out; account 333333333333; other stages: -c stage=dev, -c stage=staging\n',
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

  it('the role of the pipeline is not asked for where a stage takes over', () => {
    expect(() => refuseRepository('acme/cloudflow', takeOver(prod))).toThrow(
      'the role of the pipeline is of the account, and there already; leave -c repository= out',
    );
    expect(refuseRepository('acme/cloudflow', prod)).toBe('acme/cloudflow');
    expect(refuseRepository(null, takeOver(prod))).toBeNull();
  });
});
