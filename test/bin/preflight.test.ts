import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { quotaNeeds } from '#config/quotas.ts';
import { readStageSettings } from '#config/stage-settings.ts';
import { STAGES } from '#config/stages.ts';
import type { JsonObject } from '#core/json.ts';
import { type AwsEndpoint, startAwsEndpoint } from '#local/aws-endpoint/server.ts';
import { inProcess } from './cli-process.ts';

/** Service Quotas over HTTP, as the SDK's own client asks it: applied quotas in pages, defaults besides. */
const ACCOUNT = '111122223333';

interface Quota {
  readonly region: string;
  readonly service: string;
  readonly code: string;
  readonly name: string;
  value: number;
}

describe('cloudflow preflight', () => {
  let aws: AwsEndpoint;
  let applied: Quota[];
  let defaults: Quota[];

  const needs = quotaNeeds(readStageSettings({ stage: 'prod', account: ACCOUNT }, {}));
  const told = ({ service, code, name, value }: Quota, account: string) => ({
    ServiceCode: service,
    QuotaCode: code,
    QuotaName: name,
    QuotaArn: `arn:aws:servicequotas:us-east-1:${account}:${service}/${code}`,
    Value: value,
    Adjustable: true,
  });
  const list =
    (quotas: () => readonly Quota[], account: string) =>
    ({ ServiceCode, NextToken }: JsonObject, from: string) => {
      const own = quotas().filter(
        ({ region, service }) => region === from && service === ServiceCode,
      );
      const at = Number(NextToken ?? 0);
      return {
        Quotas: own.slice(at, at + 1).map((quota) => told(quota, account)),
        ...(at + 1 < own.length ? { NextToken: String(at + 1) } : {}),
      };
    };

  beforeEach(async () => {
    // What nobody has asked to raise is among the defaults alone.
    const all = needs.map(({ region, service, code, name, needed }): Quota => {
      return { region, service, code: code ?? 'L-UNKNOWN1', name, value: needed };
    });
    applied = all.filter(({ service }) => service !== 'states');
    defaults = all.map((quota) => ({
      ...quota,
      value: quota.service === 'states' ? quota.value : 1,
    }));
    aws = await startAwsEndpoint({
      ServiceQuotasV20190624: {
        ListServiceQuotas: list(() => applied, ACCOUNT),
        ListAWSDefaultServiceQuotas: list(() => defaults, ''),
      },
    });
    vi.stubEnv('AWS_ENDPOINT_URL', aws.url);
    vi.stubEnv('AWS_ACCESS_KEY_ID', 'nobody');
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'nothing');
    vi.stubEnv('AWS_MAX_ATTEMPTS', '1');
  });
  afterEach(async () => {
    vi.unstubAllEnvs();
    await aws.close();
  });

  it('says yes where every quota is enough, from every page, applied before default', async () => {
    const { status, stdout } = await inProcess([
      'preflight',
      '--stage',
      'prod',
      '--account',
      ACCOUNT,
    ]);
    expect([status, stdout]).toEqual([0, expect.stringContaining('allows what stage prod needs')]);
    expect(stdout).toContain('10,000 sustained, 25,000 at the peak');
    const services = new Set(needs.map(({ service }) => service));
    expect(aws.asked.length).toBeGreaterThan(services.size);
  });

  it('says no and how to ask, for a new account', async () => {
    for (const quota of applied.filter(({ region }) => region === 'us-east-1')) {
      if (quota.code === 'L-8A5B8E43') quota.value = 10_000;
      if (quota.code === 'L-B99A9384') quota.value = 10;
      if (quota.code === 'L-CDF5615A') quota.value = 1_250;
    }
    const args = ['preflight', '--stage', 'prod', '--account', ACCOUNT];
    const { status, stdout } = await inProcess(args);
    expect(status).toBe(1);
    expect(stdout).toContain(
      'request-service-quota-increase --region us-east-1 --service-code apigateway --quota-code L-8A5B8E43 --desired-value 25000',
    );
    expect(stdout).toContain('--quota-code L-B99A9384');
    expect(stdout).toContain('Throttle burst rate in us-east-1: cannot be asked for by itself');
    const { document } = await inProcess([...args, '--json']);
    const { ok, quotas } = document as {
      readonly ok: boolean;
      readonly quotas: readonly { readonly enough: boolean; readonly ask: string | null }[];
    };
    expect(ok).toBe(false);
    expect(quotas.filter(({ enough }) => !enough)).toHaveLength(3);
  });

  it('says no for the region that waits, where the one that serves allows everything', async () => {
    const there = applied.find(
      ({ region, code }) => region === 'us-west-2' && code === 'L-B99A9384',
    );
    if (there === undefined) throw new Error('nothing is asked of the region that waits');
    there.value = 10;
    const { status, stdout } = await inProcess([
      'preflight',
      '--stage',
      'prod',
      '--account',
      ACCOUNT,
    ]);
    expect(status).toBe(1);
    expect(stdout).toContain(
      'request-service-quota-increase --region us-west-2 --service-code lambda --quota-code L-B99A9384',
    );
    expect(stdout).not.toContain('increase --region us-east-1');
  });

  it('a quota that the account does not tell is not taken for enough', async () => {
    defaults = [];
    const { status, stdout } = await inProcess([
      'preflight',
      '--stage',
      'prod',
      '--account',
      ACCOUNT,
    ]);
    expect([status, stdout]).toEqual([1, expect.stringContaining('not told')]);
  });

  it('credentials of another account are refused, and so is what is no stage and no account', async () => {
    const other = await inProcess(['preflight', '--stage', 'prod', '--account', '999988887777']);
    expect([other.status, other.stderr]).toEqual([
      2,
      expect.stringContaining(`of account ${ACCOUNT}, the stage names 999988887777`),
    ]);
    const stage = await inProcess(['preflight', '--stage', 'production']);
    expect([stage.status, stage.stderr]).toEqual([2, expect.stringContaining('staging')]);
    const account = await inProcess(['preflight', '--stage', 'dev', '--account', '12']);
    expect([account.status, account.stderr]).toEqual([2, expect.stringContaining('12 digits')]);
  });

  it('what refuses to tell is no answer', async () => {
    await aws.close();
    aws = await startAwsEndpoint({});
    vi.stubEnv('AWS_ENDPOINT_URL', aws.url);
    const { status, stderr } = await inProcess(['preflight', '--stage', 'dev']);
    expect([status, stderr]).toEqual([3, expect.stringContaining('Service Quotas of us-east-1')]);
  });
});

it.each(STAGES)('what stage %s needs is counted from its own settings', (stage) => {
  const settings = readStageSettings({ stage, account: undefined }, {});
  for (const { needed, about } of quotaNeeds(settings)) {
    expect(Number.isInteger(needed) && needed > 0, about).toBe(true);
  }
});
