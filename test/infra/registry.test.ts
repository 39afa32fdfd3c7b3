import { existsSync, globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ROLES } from '#adapters/postgres/roles.ts';
import { keyAlarms } from '#config/alarms/keys.ts';
import {
  CAPABILITIES,
  type Capability,
  DATABASE_ROLES,
  KAFKA_ACTIONS,
} from '#config/capabilities.ts';
import { readEnv } from '#config/env.ts';
import {
  FUNCTIONS,
  functionNames,
  functionSpec,
  PROGRAMS,
  programNames,
} from '#config/functions.ts';
import { QUEUES, type QueueName } from '#config/queues.ts';
import { readStageSettings } from '#config/stage-settings.ts';
import { readStage, STAGES } from '#config/stages.ts';
import { TOPICS } from '#config/topics.ts';
import { KAFKA_LIMITS, type KafkaTrigger, type Trigger } from '#config/triggers.ts';
import { VARIABLES } from '#config/variables.ts';
import { mayLag, TAGS, type Tag } from '#contract/route.ts';
import { operationIds, routeOf } from '#contract/routes.ts';
import { ROOT } from '../../bin/build/bundle.ts';

function triggers<K extends Trigger['kind']>(kind: K) {
  return functionNames.flatMap((name) =>
    functionSpec(name)
      .triggers.filter((each): each is Extract<Trigger, { kind: K }> => each.kind === kind)
      .map((trigger) => ({ name, trigger })),
  );
}
const counted = (items: readonly string[]) =>
  Object.fromEntries(items.map((item) => [item, items.filter((each) => each === item).length]));

const dev = readStageSettings({ stage: 'dev', account: undefined }, {});
/** What fills and empties the cache for others. */
const KEEPS: ReadonlySet<string> = new Set([
  'cache-invalidation',
  'warm-caches',
  'engine-and-readers',
]);

describe('the one registry', () => {
  it('every route of the contract belongs to exactly one function', () => {
    const served = triggers('http').flatMap(({ trigger }) => trigger.tags);
    expect(counted(served)).toEqual(Object.fromEntries(TAGS.map((tag) => [tag, 1])));
    for (const id of operationIds) expect(served).toContain(routeOf(id).tag);
  });

  it('every queue has one reader, which has the time that the queue gives it', () => {
    const read = triggers('queue');
    expect(counted(read.map(({ trigger }) => trigger.queue))).toEqual(
      Object.fromEntries(Object.keys(QUEUES).map((queue) => [queue, 1])),
    );
    for (const { name, trigger } of read) {
      const { visibilitySeconds } = QUEUES[trigger.queue];
      expect(visibilitySeconds).toBeGreaterThanOrEqual(6 * FUNCTIONS[name].timeoutSeconds);
    }
  });

  it('every queue has a writer, who knows where it is', () => {
    for (const queue of Object.keys(QUEUES) as QueueName[]) {
      const send = `queue:${queue}:send` satisfies Capability;
      const writers = programNames.filter((name) => can(name).includes(send));
      expect(writers).not.toEqual([]);
      for (const name of writers) expect(PROGRAMS[name].env).toContain('NUDGES_QUEUE_URL');
    }
  });

  it('whoever reads a topic does so in a group of its own that the topic names, within the limits', () => {
    const read = triggers('kafka');
    for (const { name, trigger } of read) {
      expect(problemOfReader(trigger, FUNCTIONS[name].timeoutSeconds)).toBeNull();
    }
    const pairs = read.map(({ trigger }) => `${trigger.topic} ${trigger.group}`);
    expect(new Set(pairs).size).toBe(pairs.length);
  });

  it.each<[string, Partial<KafkaTrigger>, number]>([
    ['batch', { batchSize: 501 }, 60],
    ['pollers', { pollers: { least: 2, most: 1 } }, 60],
    ['group', { group: 'somebody' }, 60],
    ['dead letters', { topic: 'dead-letter-queue', group: 'ops-team-alerts' }, 60],
    ['seconds', {}, 900],
  ])('a reader of a topic is told when its %s cannot be', (said, change, seconds) => {
    const reader: KafkaTrigger = {
      kind: 'kafka',
      topic: 'audit.logs',
      group: 'audit-processor',
      batchSize: 500,
      pollers: { least: 1, most: 1 },
      deadLetters: 'dead-letter-queue',
    };
    expect(problemOfReader(reader, 60)).toBeNull();
    expect(problemOfReader({ ...reader, ...change }, seconds)).toContain(said);
  });

  it('one function does the work of machines, and one hears of their ends', () => {
    expect(triggers('machine-task').map(({ name }) => name)).toEqual(['step-runner']);
    expect(triggers('machine-status').map(({ name }) => name)).toEqual(['state-changed']);
  });

  it('a deployment migrates before anything that needs the schema, each at its own time', () => {
    const order = triggers('deploy').sort((a, b) => a.trigger.order - b.trigger.order);
    expect(order[0]?.name).toBe('migrate');
    expect(new Set(order.map(({ trigger }) => trigger.order)).size).toBe(order.length);
  });

  it('what counts the days of keys runs when it is deployed, for its silence is an alarm from then on', () => {
    const silence = keyAlarms(dev).filter(
      (alarm) => alarm.kind === 'metric' && alarm.missing === 'bad',
    );
    expect(silence).not.toEqual([]);
    const kinds = functionSpec('platform-keys').triggers.map(({ kind }) => kind);
    expect(kinds.sort()).toEqual(['deploy', 'schedule']);
  });

  it('what a caller waits for ends before API Gateway gives up; nothing passes Lambda’s limits', () => {
    for (const { name } of [...triggers('http'), ...triggers('socket')]) {
      expect(FUNCTIONS[name].timeoutSeconds).toBeLessThan(29);
    }
    for (const name of functionNames) {
      const { timeoutSeconds, memoryMb } = FUNCTIONS[name];
      expect(timeoutSeconds).toBeLessThanOrEqual(900);
      expect(memoryMb).toBeGreaterThanOrEqual(512);
    }
  });

  it('every entry is there, and every entry that is there is of a program', () => {
    const there = globSync('functions/*/main.ts', { cwd: ROOT });
    expect(
      Object.values(FUNCTIONS)
        .map(({ entry }) => entry as string)
        .sort(),
    ).toEqual(there.sort());
    for (const name of programNames)
      expect(existsSync(join(ROOT, PROGRAMS[name].entry))).toBe(true);
  });

  it('every variable and every capability is somebody’s', () => {
    const told = new Set<string>(programNames.flatMap((name) => [...PROGRAMS[name].env]));
    expect([...told].sort()).toEqual(Object.keys(VARIABLES).sort());
    const allowed = new Set<string>(programNames.flatMap(can));
    // Whoever may write or read a topic or a bucket follows from the topics and buckets.
    const written = (each: string): boolean => !/^(?:kafka|bucket):/.test(each);
    expect([...allowed].filter(written).sort()).toEqual(
      Object.keys(CAPABILITIES).filter(written).sort(),
    );
  });

  it('whoever connects to the database is told where it is, and whoever keeps secrets where', () => {
    for (const name of programNames) {
      const env: readonly string[] = PROGRAMS[name].env;
      const has = (prefix: string) => can(name).some((each) => each.startsWith(prefix));
      expect([name, env.includes('DATABASE_URL')]).toEqual([name, has('postgres:')]);
      const lags = operationIds
        .map(routeOf)
        .some((route) => mayLag(route) && servedBy(name, route.tag));
      expect([name, env.includes('DATABASE_READER_URL')]).toEqual([name, lags]);
      expect([name, env.includes('TENANT_SECRETS_PREFIX')]).toEqual([name, has('secrets:tenants')]);
      expect([name, env.includes('CACHE_URL')]).toEqual([name, has('cache')]);
      // Whoever serves known callers counts their requests there.
      const known = operationIds.map(routeOf).filter(({ tenant }) => tenant === 'caller');
      const counts = known.some(({ tag }) => servedBy(name, tag));
      expect([name, has('cache')]).toEqual([name, counts || KEEPS.has(name)]);
      expect([name, env.includes('CURSOR_KEY_SECRET')]).toEqual([
        name,
        has('secrets:cursor') || has('secrets:platform-keys'),
      ]);
      expect([name, env.includes('MACHINE_PREFIX')]).toEqual([
        name,
        has('states:register') || has('states:collect'),
      ]);
      expect([name, env.includes('RECORDS_TABLE')]).toEqual([name, has('records')]);
      expect([name, env.includes('SIGNING_SEAL_KEY')]).toEqual([name, has('signing-keys:')]);
      expect([name, env.includes('SOCKETS_URL')]).toEqual([name, has('sockets:')]);
      expect([name, env.includes('EGRESS_PORTS')]).toEqual([name, has('egress:')]);
    }
  });

  it('a program names every key that it misses, and gets no other', () => {
    for (const name of programNames) {
      const keys: readonly string[] = PROGRAMS[name].env;
      expect(() => readEnv(name, {})).toThrow(`${name} needs ${keys.join(', ')}`);
      const env = Object.fromEntries(keys.map((key) => [key, `${key} of ${name}`]));
      expect(readEnv(name, { ...env, PATH: '/bin' })).toEqual(env);
    }
  });

  it('nothing but readEnv reads the environment of a program', () => {
    const files = ['bin/engine.ts', ...globSync('functions/**/*.ts', { cwd: ROOT })];
    const readers = files.filter((file) => {
      const text = readFileSync(join(ROOT, file), 'utf8');
      return text.replaceAll(/readEnv\([^()]+, process\.env\)/g, '').includes('process.env');
    });
    expect(readers).toEqual([]);
  });

  it('capabilities are what adapters ask of AWS: no action is missing, none is too much', () => {
    const clients: Record<string, string> = {
      'client-sfn': 'states',
      'client-secrets-manager': 'secretsmanager',
      'client-sqs': 'sqs',
      'client-sesv2': 'ses',
      'client-kafka': 'kafka',
      'client-dynamodb': 'dynamodb',
      'client-kms': 'kms',
      'client-s3': 's3',
      'client-application-auto-scaling': 'application-autoscaling',
      'client-backup': 'backup',
      'client-cloudwatch': 'cloudwatch',
      'client-ecs': 'ecs',
      'client-lambda': 'lambda',
      'client-rds': 'rds',
      'client-route-53': 'route53',
      'client-sns': 'sns',
    };
    // Where IAM calls it otherwise.
    const renamed: Record<string, string> = {
      ListObjectsV2: 'ListBucket',
      Invoke: 'InvokeFunction',
    };
    // Of these clients every request is one and the same action.
    const oneAction: Record<string, string> = {
      'client-apigatewaymanagementapi': 'execute-api:ManageConnections',
    };
    const asked = globSync('lib/adapters/**/*.ts', { cwd: ROOT }).flatMap((file) => {
      const text = readFileSync(join(ROOT, file), 'utf8');
      return [...text.matchAll(/import \{([^}]+)\} from '@aws-sdk\/(client-[a-z0-9-]+)'/g)].flatMap(
        ([, names = '', client = '']) =>
          [...names.matchAll(/\b([A-Z][A-Za-z0-9]+)Command\b/g)].map(
            ([, name = '']) =>
              oneAction[client] ?? `${clients[client] ?? client}:${renamed[name] ?? name}`,
          ),
      );
    });
    // Not requests of their own: a signed log-in, a role that is handed on, tags and versions that
    // come with a creation, and what Kafka's own protocol asks for.
    const implied = [
      ...Object.values(KAFKA_ACTIONS)
        .flatMap((actions) => Object.values(actions).flat())
        .filter((action) => action.startsWith('kafka-cluster:')),
      'rds-db:connect',
      'elasticache:Connect',
      'rds:AddTagsToResource',
      'kms:CreateGrant',
      'kms:DescribeKey',
      // What RDS does with a key in the name of whoever asks for an export.
      'kms:GenerateDataKey',
      'kms:GenerateDataKeyWithoutPlaintext',
      'kms:ReEncryptFrom',
      'kms:ReEncryptTo',
      'kms:RetireGrant',
      'iam:PassRole',
      'states:TagResource',
      'states:PublishStateMachineVersion',
      'secretsmanager:TagResource',
      's3:AbortMultipartUpload',
    ];
    const allowed = new Set(Object.values(CAPABILITIES).flatMap(({ actions }) => [...actions]));
    expect([...allowed].sort()).toEqual([...new Set([...asked, ...implied])].sort());
  });

  it('logs in as roles of the schema, but never as those that own functions', () => {
    expect([...DATABASE_ROLES].sort()).toEqual(
      ROLES.filter((role) => !['cloudflow_lookup', 'cloudflow_warden'].includes(role)).sort(),
    );
  });

  it('every topic that code names is a topic', () => {
    const named = globSync(
      '{lib/{core,steps,services,engine,adapters,local},functions,bin}/**/*.ts',
      {
        cwd: ROOT,
      },
    )
      .flatMap((file) => [
        ...readFileSync(join(ROOT, file), 'utf8').matchAll(
          /'((?:workflow|notifications|audit|cache)\.[a-z]+|[a-z-]+-queue)'/g,
        ),
      ])
      .map(([, topic = '']) => topic);
    expect(named.length).toBeGreaterThan(0);
    expect(named.filter((topic) => !Object.hasOwn(TOPICS, topic))).toEqual([]);
  });

  it('a stage that is none is refused with those that are', () => {
    for (const stage of STAGES) expect(readStage(stage)).toBe(stage);
    expect(() => readStage('production')).toThrow(
      'the stage is "production"; use one of dev, staging, prod',
    );
  });
});

function servedBy(name: (typeof programNames)[number], tag: Tag): boolean {
  return triggers('http').some((each) => each.name === name && each.trigger.tags.includes(tag));
}

/** Why Lambda would refuse such a reader, or the topic does not know it; null when neither does. */
function problemOfReader(trigger: KafkaTrigger, timeoutSeconds: number): string | null {
  const { topic, group, batchSize, pollers, deadLetters } = trigger;
  const groups: readonly string[] = TOPICS[topic].groups;
  if (batchSize < 1 || batchSize > KAFKA_LIMITS.batchSize) return `its batch is ${batchSize}`;
  if (pollers.least < 1 || pollers.most < pollers.least) return 'its pollers are none';
  if (!groups.includes(group)) return `its group is none of ${topic}`;
  if (deadLetters === topic) return 'its dead letters come back to it';
  if (timeoutSeconds > KAFKA_LIMITS.functionSeconds) return `it may take ${timeoutSeconds} seconds`;
  return null;
}

function can(name: (typeof programNames)[number]): readonly Capability[] {
  return PROGRAMS[name].can;
}
