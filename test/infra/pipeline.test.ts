import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { noticesOf } from '#config/notices.ts';
import { readStageSettings } from '#config/stage-settings.ts';
import { STAGES } from '#config/stages.ts';
import { DeliveryStack } from '#stacks/delivery-stack.ts';
import { ROOT } from '../../bin/build/bundle.ts';
import manifest from '../../package.json' with { type: 'json' };
import { synthesiseParts } from './synth.ts';

const FILES = ['deploy.yml', 'deploy-stage.yml', 'drift.yml'] as const;
const read = (file: string): string => readFileSync(join(ROOT, '.github/workflows', file), 'utf8');

it('the pipeline deploys every stage, each after the one before it, once all is checked', () => {
  const text = read('deploy.yml');
  const waits = STAGES.map((stage) => {
    const job = text.slice(text.indexOf(`\n  ${stage}:\n`));
    expect(job).toContain(`with: { stage: ${stage} }`);
    return /needs: (\w+)/.exec(job)?.[1];
  });
  expect(waits).toEqual(['check', ...STAGES.slice(0, -1)]);
  expect(text).toContain("if: github.ref == 'refs/heads/main'");
});

it('drift is looked for in every stage, and fails the run', () => {
  const text = read('drift.yml');
  expect(text).toContain(`stage: [${STAGES.join(', ')}]`);
  expect(text).toMatch(/cdk drift '\*' --fail/);
});

it('what it runs is there, and it holds no key of AWS', () => {
  for (const file of FILES) {
    const text = read(file);
    for (const [, script = ''] of text.matchAll(/npm run ([\w:]+)/g)) {
      expect(Object.keys(manifest.scripts), file).toContain(script);
    }
    if (text.includes('.ci/run')) expect(existsSync(join(ROOT, '.ci/run'))).toBe(true);
    expect(text).not.toMatch(/aws-access-key-id|secrets\./);
    expect(text).toMatch(/^permissions:\n {2}contents: read$/m);
  }
});

it.each(STAGES)(
  'the pipeline is a role for one environment, and may become the roles of CDK: %s',
  (stage) => {
    const settings = readStageSettings({ stage, account: undefined }, {});
    const { account } = settings;
    const made = synthesiseParts(settings, (app) => {
      new DeliveryStack(app, settings, 'acme/cloudflow');
    });
    expect([made.findings, made.idle]).toEqual([[], []]);
    const issuer = 'token.actions.githubusercontent.com';
    const [provider] = made.ofType('AWS::IAM::OIDCProvider');
    expect(provider!.Properties).toMatchObject({
      Url: `https://${issuer}`,
      ClientIdList: ['sts.amazonaws.com'],
    });
    const roles = made.ofType('AWS::IAM::Role');
    expect(roles).toHaveLength(1);
    const { AssumeRolePolicyDocument: trust, ManagedPolicyArns, Policies } = roles[0]!.Properties;
    expect([ManagedPolicyArns, Policies]).toEqual([undefined, undefined]);
    // Neither another repository, nor another environment, nor a pull request.
    expect((trust as { Statement: unknown }).Statement).toEqual([
      {
        Action: 'sts:AssumeRoleWithWebIdentity',
        Condition: {
          StringEquals: {
            [`${issuer}:aud`]: 'sts.amazonaws.com',
            [`${issuer}:sub`]: `repo:acme/cloudflow:environment:${stage}`,
          },
        },
        Effect: 'Allow',
        Principal: { Federated: `arn:aws:iam::${account}:oidc-provider/${issuer}` },
      },
    ]);
    const statements = made
      .ofType('AWS::IAM::Policy')
      .flatMap(
        ({ Properties }) => (Properties['PolicyDocument'] as { Statement: object[] }).Statement,
      );
    const regions = stage === 'prod' ? ['us-east-1', 'us-west-2'] : ['us-east-1'];
    const parts = ['deploy', 'file-publishing', 'image-publishing', 'lookup'];
    expect(statements).toEqual([
      {
        Sid: 'BecomeRolesOfCdk',
        Effect: 'Allow',
        Action: 'sts:AssumeRole',
        Resource: parts.flatMap((part) =>
          regions.map(
            (region) =>
              `arn:aws:iam::${account}:role/cdk-hnb659fds-${part}-role-${account}-${region}`,
          ),
        ),
      },
      {
        Sid: 'ReadQuotas',
        Effect: 'Allow',
        Action: ['servicequotas:ListAWSDefaultServiceQuotas', 'servicequotas:ListServiceQuotas'],
        Resource: '*',
      },
    ]);
    // A job may take as long as its role.
    const minutes = Number(/timeout-minutes: (\d+)/.exec(read('deploy-stage.yml'))?.[1]);
    const seconds = Number(/role-duration-seconds: (\d+)/.exec(read('deploy-stage.yml'))?.[1]);
    expect(seconds).toBe(60 * minutes);
    expect(roles[0]!.Properties['MaxSessionDuration']).toBe(seconds);
  },
);

it('no run of the pipeline deploys its own role', () => {
  for (const file of FILES) expect(read(file)).not.toContain('repository=');
});

it.each(STAGES)(
  'notices of stage %s have names of their own and a page that says what to do',
  (stage) => {
    const notices = noticesOf(readStageSettings({ stage, account: undefined }, {}));
    expect(new Set(notices.map(({ name }) => name)).size).toBe(notices.length);
    for (const { name, page } of notices) {
      expect(readFileSync(join(ROOT, page), 'utf8'), page).toContain(`\`${name}\``);
    }
  },
);
