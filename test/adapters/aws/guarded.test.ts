import { globSync, readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import {
  ApiGatewayManagementApiClient,
  GetConnectionCommand,
} from '@aws-sdk/client-apigatewaymanagementapi';
import {
  ApplicationAutoScalingClient,
  DescribeScalableTargetsCommand,
} from '@aws-sdk/client-application-auto-scaling';
import { BackupClient, ListBackupVaultsCommand } from '@aws-sdk/client-backup';
import { CloudWatchClient, ListMetricsCommand } from '@aws-sdk/client-cloudwatch';
import { DynamoDBClient, ListTablesCommand } from '@aws-sdk/client-dynamodb';
import { ECSClient, ListClustersCommand } from '@aws-sdk/client-ecs';
import { KafkaClient, ListClustersV2Command } from '@aws-sdk/client-kafka';
import { KMSClient, ListKeysCommand } from '@aws-sdk/client-kms';
import { LambdaClient, ListFunctionsCommand } from '@aws-sdk/client-lambda';
import { DescribeDBClustersCommand, RDSClient } from '@aws-sdk/client-rds';
import { ListHostedZonesCommand, Route53Client } from '@aws-sdk/client-route-53';
import { ListBucketsCommand, S3Client } from '@aws-sdk/client-s3';
import { ListSecretsCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { ListEmailIdentitiesCommand, SESv2Client } from '@aws-sdk/client-sesv2';
import { ListStateMachinesCommand, SFNClient } from '@aws-sdk/client-sfn';
import { ListTopicsCommand, SNSClient } from '@aws-sdk/client-sns';
import { ListQueuesCommand, SQSClient } from '@aws-sdk/client-sqs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type GuardDeps, guarded } from '#adapters/aws/guarded.ts';
import { createLocalMetrics } from '#adapters/metrics/local-metrics.ts';
import { BREAKERS, type BreakerName, breakerNames } from '#config/breakers.ts';
import { ROOT } from '../../../bin/build/bundle.ts';

type Config = {
  readonly endpoint: string;
  readonly region: string;
  readonly maxAttempts: number;
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
};

/** Those with a client of AWS behind them. */
type AwsBreaker = {
  [Name in BreakerName]: (typeof BREAKERS)[Name]['client'] extends null ? never : Name;
}[BreakerName];
const ofAws = breakerNames.filter((name): name is AwsBreaker => BREAKERS[name].client !== null);

/** One question of each: a breaker without its client here does not compile. */
const ASK: {
  readonly [N in AwsBreaker]: (config: Config, deps: GuardDeps) => () => Promise<unknown>;
} = {
  secrets: (config, deps) => {
    const client = guarded('secrets', new SecretsManagerClient(config), deps);
    return () => client.send(new ListSecretsCommand({}));
  },
  keys: (config, deps) => {
    const client = guarded('keys', new KMSClient(config), deps);
    return () => client.send(new ListKeysCommand({}));
  },
  states: (config, deps) => {
    const client = guarded('states', new SFNClient(config), deps);
    return () => client.send(new ListStateMachinesCommand({}));
  },
  mail: (config, deps) => {
    const client = guarded('mail', new SESv2Client(config), deps);
    return () => client.send(new ListEmailIdentitiesCommand({}));
  },
  queues: (config, deps) => {
    const client = guarded('queues', new SQSClient(config), deps);
    return () => client.send(new ListQueuesCommand({}));
  },
  objects: (config, deps) => {
    const client = guarded('objects', new S3Client({ ...config, forcePathStyle: true }), deps);
    return () => client.send(new ListBucketsCommand({}));
  },
  records: (config, deps) => {
    const client = guarded('records', new DynamoDBClient(config), deps);
    return () => client.send(new ListTablesCommand({}));
  },
  sockets: (config, deps) => {
    const client = guarded('sockets', new ApiGatewayManagementApiClient(config), deps);
    return () => client.send(new GetConnectionCommand({ ConnectionId: 'a' }));
  },
  announcements: (config, deps) => {
    const client = guarded('announcements', new SNSClient(config), deps);
    return () => client.send(new ListTopicsCommand({}));
  },
  functions: (config, deps) => {
    const client = guarded('functions', new LambdaClient(config), deps);
    return () => client.send(new ListFunctionsCommand({}));
  },
  databases: (config, deps) => {
    const client = guarded('databases', new RDSClient(config), deps);
    return () => client.send(new DescribeDBClustersCommand({}));
  },
  backups: (config, deps) => {
    const client = guarded('backups', new BackupClient(config), deps);
    return () => client.send(new ListBackupVaultsCommand({}));
  },
  measures: (config, deps) => {
    const client = guarded('measures', new CloudWatchClient(config), deps);
    return () => client.send(new ListMetricsCommand({}));
  },
  brokers: (config, deps) => {
    const client = guarded('brokers', new KafkaClient(config), deps);
    return () => client.send(new ListClustersV2Command({}));
  },
  dns: (config, deps) => {
    const client = guarded('dns', new Route53Client(config), deps);
    return () => client.send(new ListHostedZonesCommand({}));
  },
  services: (config, deps) => {
    const client = guarded('services', new ECSClient(config), deps);
    return () => client.send(new ListClustersCommand({}));
  },
  scaling: (config, deps) => {
    const client = guarded('scaling', new ApplicationAutoScalingClient(config), deps);
    return () => client.send(new DescribeScalableTargetsCommand({ ServiceNamespace: 'ecs' }));
  },
};

describe('every client of AWS', () => {
  let server: Server;
  let asked = 0;
  let status = 500;
  beforeAll(async () => {
    server = createServer((request, response) => {
      asked += 1;
      request.resume();
      response.writeHead(status).end();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });
  afterAll(() => server.close());

  function open(name: AwsBreaker) {
    const clock = { ms: 0 };
    const metrics = createLocalMetrics();
    const ask = ASK[name](
      {
        endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
        region: 'eu-central-1',
        maxAttempts: 1,
        credentials: { accessKeyId: 'nobody', secretAccessKey: 'nothing' },
      },
      { clock: { monotonic: () => clock.ms }, metrics },
    );
    const failure = () =>
      ask().then(
        () => null,
        (error: Error) => error,
      );
    asked = 0;
    return { clock, failure, metrics };
  }

  it.each(ofAws)(
    '%s: is left alone when it fails inside again and again, and asked again later',
    async (name) => {
      const { failures, openMs } = BREAKERS[name];
      status = 500;
      const { clock, failure, metrics } = open(name);
      let last: Error | null = null;
      for (let i = 0; i < failures; i++) last = await failure();
      expect(asked).toBe(failures);
      // The very failure that the caller would have seen.
      expect(await failure()).toBe(last);
      expect(asked).toBe(failures);
      expect(metrics.text()).toMatch(new RegExp(`breakers_opened\\S*${name}\\S* 1$`, 'm'));
      clock.ms += openMs;
      await failure();
      expect(asked).toBe(failures + 1);
    },
  );

  it.each([400, 403, 404, 429])('a refusal with %i leaves its breaker closed', async (refusal) => {
    status = refusal;
    const { failure } = open('secrets');
    const { failures } = BREAKERS.secrets;
    for (let i = 0; i < 2 * failures; i++) await failure();
    expect(asked).toBe(2 * failures);
  });

  it('is left alone too when nobody listens', async () => {
    const metrics = createLocalMetrics();
    const ask = ASK.queues(
      {
        endpoint: 'http://127.0.0.1:1',
        region: 'eu-central-1',
        maxAttempts: 1,
        credentials: { accessKeyId: 'nobody', secretAccessKey: 'nothing' },
      },
      { clock: { monotonic: () => 0 }, metrics },
    );
    for (let i = 0; i <= BREAKERS.queues.failures; i++) {
      await expect(ask()).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    }
    expect(metrics.text()).toMatch(/breaker_refusals\S*queues\S* 1$/m);
  });
});

describe('programs', () => {
  const sources = globSync('{functions,lib}/**/*.ts', { cwd: ROOT }).filter(
    (file) => !file.startsWith('lib/local/'),
  );
  const made = sources.flatMap((file) => {
    const text = readFileSync(join(ROOT, file), 'utf8');
    const classes = [...text.matchAll(/import (?!type)\{([^}]*)\} from '@aws-sdk\/client-[^']+'/g)]
      .flatMap(([, names = '']) => names.split(',').map((name) => name.trim()))
      .filter((name) => name.endsWith('Client') && !name.startsWith('type '));
    return classes.flatMap((client) =>
      [...text.matchAll(new RegExp(`(?:guarded\\(\\s*'(\\w+)',\\s*)?new ${client}\\(`, 'g'))].map(
        ([, name]) => ({ file, client, name: name ?? null }),
      ),
    );
  });

  it('make every client of AWS behind its breaker', () => {
    expect(made.length).toBeGreaterThan(15);
    for (const { file, client, name } of made) {
      const wanted = breakerNames.find((each) => BREAKERS[each].client === client) ?? 'a breaker';
      expect([file, client, name]).toEqual([file, client, wanted]);
    }
  });

  it('and have no breaker for nobody', () => {
    const used = new Set(made.map(({ name }) => name));
    expect(ofAws.filter((name) => !used.has(name))).toEqual([]);
  });
});
