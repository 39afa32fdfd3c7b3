import {
  BUCKETS,
  type BucketName,
  type BucketUse,
  bucketNames,
  copiedBuckets,
} from '#config/buckets.ts';
import {
  BUCKET_ACTIONS,
  type BucketCapability,
  CAPABILITIES,
  type Capability,
  DATABASE_ROLES,
  KAFKA_ACTIONS,
  type KafkaCapability,
  type KafkaUse,
  kafkaUses,
} from '#config/capabilities.ts';
import {
  CONTAINERS,
  engineOf,
  type FunctionName,
  functionSpec,
  functionsOf,
} from '#config/functions.ts';
import { DEAD_TICKS } from '#config/queues.ts';
import { type TopicName, topicNames } from '#config/topics.ts';
import type { KafkaTrigger } from '#config/triggers.ts';
import { sidOf } from '#constructs/grants.ts';
import { POLLING } from '#constructs/kafka-source.ts';
import { reachesDatabase } from '#constructs/service-function.ts';
import type { Synthesised } from '../synth.ts';
import {
  clocksOf,
  engineTask,
  entriesOf,
  functionOf,
  list,
  nameOf,
  type Rule,
  roleAt,
  stackOf,
  statementsOf,
} from './view.ts';

/** A statement that a role must have: its name, every action, and what its resource reads like. */
export interface Wanted {
  readonly sid: string;
  readonly actions: readonly string[];
  readonly on: RegExp;
}

const key = (sid: string, ...actions: readonly string[]): Wanted => ({
  sid,
  actions,
  on: /DataKey/,
});
const login = (sid: string, role: string): readonly Wanted[] => [
  { sid, actions: ['rds-db:connect'], on: new RegExp(`dbuser:.*/${role}"`) },
];
const actions = (capability: Capability): readonly string[] => CAPABILITIES[capability].actions;
const without = (capability: Capability, ...others: readonly string[]): readonly string[] =>
  actions(capability).filter((action) => !others.includes(action));
const recoveryKey = (sid: string, ...does: readonly string[]): Wanted => ({
  sid,
  actions: does,
  on: /StoreKey/,
});
const PLATFORM_MACHINES = /:stateMachine:platform-[a-z]+-\*/;
const MACHINES = /:stateMachine:cloudflow-[a-z]+-\*/;
/** Where a lost region is taken over, secrets that wait are known by their names: six characters follow. */
const WAITING = ':secret:cloudflow/[a-z]+/platform';
const CURSOR_KEY = `(?:CursorKey|${WAITING}/cursor-key-[?]{6}")`;
const IDENTITY_KEY = `(?:IdentityKey|${WAITING}/identity-key-[?]{6}")`;
/** Of a bucket: its account, and there its region besides. */
const OWNER = String.raw`\d{12}(?:-us-[a-z]+-\d)?`;
/** Beside the instance: IAM's own example of the permission names its groups too. */
const INSTANCE_GROUPS = /:og:default:.*:pg:default\..*:subgrp:/;
const TENANT_SECRETS = /:secret:cloudflow\/[a-z]+\/tenants\/\*/;

/** A topic in an ARN is a reference to the resource that makes it. */
const topicOf = (topic: TopicName): RegExp => new RegExp(`Topic${topic.replaceAll(/[^a-z]/g, '')}`);

function kafka(topic: TopicName, use: KafkaUse): readonly Wanted[] {
  const sid = sidOf(`kafka:${topic}:${use}`);
  const { account, cluster, topic: own, group } = KAFKA_ACTIONS[use];
  return [
    { sid: `${sid}Find`, actions: account, on: /"\*"/ },
    { sid: `${sid}Enter`, actions: cluster, on: /Cluster/ },
    { sid, actions: own, on: topicOf(topic) },
    ...(group.length === 0 ? [] : [{ sid: `${sid}Group`, actions: group, on: /:group\// }]),
  ];
}

const KAFKA = Object.fromEntries(
  topicNames.flatMap((topic) =>
    kafkaUses.map((use) => [`kafka:${topic}:${use}`, kafka(topic, use)]),
  ),
) as { readonly [C in KafkaCapability]: readonly Wanted[] };

function bucket(name: BucketName, use: BucketUse): readonly Wanted[] {
  const sid = sidOf(`bucket:${name}:${use}`);
  const { bucket: own, objects } = BUCKET_ACTIONS[use];
  const arn = `arn:aws:s3:::cloudflow-[a-z]+-${name}-${OWNER}`;
  return [
    { sid, actions: objects, on: new RegExp(`"${arn}/\\*"`) },
    ...(own.length === 0 ? [] : [{ sid: `${sid}List`, actions: own, on: new RegExp(`"${arn}"`) }]),
    ...(use === 'read' ? [key(`${sid}Key`, 'kms:Decrypt')] : []),
    ...(use === 'write' ? [key(`${sid}Key`, 'kms:Decrypt', 'kms:GenerateDataKey')] : []),
  ];
}

const BUCKET = Object.fromEntries(
  bucketNames.flatMap((name) =>
    BUCKETS[name].uses.map((use) => [`bucket:${name}:${use}`, bucket(name, use)]),
  ),
) as { readonly [C in BucketCapability]: readonly Wanted[] };

/** What each capability is in IAM: one that has no line does not compile. */
export const STATEMENTS: { readonly [C in Capability]: readonly Wanted[] } = {
  'postgres:cloudflow_app': login('PostgresCloudflowApp', 'cloudflow_app'),
  'postgres:cloudflow_engine': login('PostgresCloudflowEngine', 'cloudflow_engine'),
  'postgres:cloudflow_relay': login('PostgresCloudflowRelay', 'cloudflow_relay'),
  'postgres:cloudflow_login': login('PostgresCloudflowLogin', 'cloudflow_login'),
  'postgres:cloudflow_auditor': [
    {
      sid: 'PostgresCloudflowAuditor',
      actions: ['rds-db:connect'],
      on: /dbuser:\*\/cloudflow_auditor"/,
    },
  ],
  'postgres:owner': [
    {
      sid: 'PostgresOwner',
      actions: actions('postgres:owner'),
      on: new RegExp(`MasterUserSecret|OwnerLogin|${WAITING}/database-owner-[?]{6}"`),
    },
    key('OpenOwnerLogin', 'kms:Decrypt'),
  ],
  'secrets:cursor-key': [
    { sid: 'SecretsCursorKey', actions: actions('secrets:cursor-key'), on: new RegExp(CURSOR_KEY) },
    key('OpenCursorKey', 'kms:Decrypt'),
  ],
  'secrets:identity-key': [
    {
      sid: 'SecretsIdentityKey',
      actions: actions('secrets:identity-key'),
      on: new RegExp(IDENTITY_KEY),
    },
    key('OpenIdentityKey', 'kms:Decrypt'),
  ],
  'secrets:tenants:read': [
    { sid: 'SecretsTenantsRead', actions: actions('secrets:tenants:read'), on: TENANT_SECRETS },
    key('OpenTenantSecrets', 'kms:Decrypt'),
  ],
  'secrets:tenants:delete': [
    { sid: 'SecretsTenantsDelete', actions: actions('secrets:tenants:delete'), on: TENANT_SECRETS },
  ],
  'secrets:tenants:write': [
    { sid: 'SecretsTenantsWrite', actions: actions('secrets:tenants:write'), on: TENANT_SECRETS },
    key('SealTenantSecrets', 'kms:Decrypt', 'kms:GenerateDataKey'),
  ],
  'states:run': [{ sid: 'StatesRun', actions: actions('states:run'), on: MACHINES }],
  'states:answer': [{ sid: 'StatesAnswer', actions: actions('states:answer'), on: MACHINES }],
  'states:register': [
    {
      sid: 'StatesRegister',
      actions: without('states:register', 'iam:PassRole'),
      on: MACHINES,
    },
    { sid: 'HandMachineRole', actions: ['iam:PassRole'], on: /MachineRole/ },
  ],
  'states:collect': [
    {
      sid: 'StatesCollect',
      actions: without('states:collect', 'states:ListStateMachines'),
      on: MACHINES,
    },
    { sid: 'ListMachines', actions: ['states:ListStateMachines'], on: /"\*"/ },
  ],
  'queue:step-functions-nudges:send': [
    {
      sid: 'QueueStepFunctionsNudgesSend',
      actions: actions('queue:step-functions-nudges:send'),
      on: /Nudges/,
    },
  ],
  cache: [
    {
      sid: 'Cache',
      actions: actions('cache'),
      on: /:replicationgroup:cloudflow-[a-z]+".*:user:cloudflow-[a-z]+-programs"/,
    },
  ],
  'sockets:manage': [
    {
      sid: 'SocketsManage',
      actions: actions('sockets:manage'),
      on: /\/DELETE\/@connections\/\*.*\/POST\/@connections\/\*/,
    },
  ],
  ...KAFKA,
  ...BUCKET,
  records: [
    {
      sid: 'Records',
      actions: actions('records'),
      on: /Records|:table\/cloudflow-[a-z]+-records"/,
    },
    key('OpenRecords', 'kms:Decrypt', 'kms:GenerateDataKey'),
  ],
  'secrets:platform-keys:turn': [
    {
      sid: 'SecretsPlatformKeysTurn',
      actions: actions('secrets:platform-keys:turn'),
      on: new RegExp(`${CURSOR_KEY}.*${IDENTITY_KEY}`),
    },
    key('SealPlatformKeys', 'kms:Decrypt', 'kms:GenerateDataKey'),
  ],
  'mail:send': [
    {
      sid: 'MailSend',
      actions: actions('mail:send'),
      on: /(?=.*:configuration-set\/cloudflow-[a-z]+")(?=.*:identity\/[a-z.]+")/,
    },
  ],
  'signing-keys:make': [
    { sid: 'SigningKeysMake', actions: actions('signing-keys:make'), on: /SigningKey/ },
  ],
  'signing-keys:open': [
    { sid: 'SigningKeysOpen', actions: actions('signing-keys:open'), on: /SigningKey/ },
  ],
  'recovery:documents': [
    {
      sid: 'RecoveryDocuments',
      actions: without('recovery:documents', 's3:ListBucket'),
      on: /:s3:::cloudflow-[a-z]+-recovery-[a-z0-9-]+\/\*"/,
    },
    {
      sid: 'RecoveryList',
      actions: ['s3:ListBucket'],
      on: /:s3:::cloudflow-[a-z]+-recovery-[a-z0-9-]+"/,
    },
    recoveryKey('OpenDocuments', 'kms:Decrypt', 'kms:GenerateDataKey'),
  ],
  'recovery:announce': [
    {
      sid: 'RecoveryAnnounce',
      actions: actions('recovery:announce'),
      on: /StoreTold|:cloudflow-[a-z]+-recovery"/,
    },
    recoveryKey('SealAnnouncements', 'kms:Decrypt', 'kms:GenerateDataKey'),
  ],
  'recovery:integrity': [
    { sid: 'RecoveryIntegrity', actions: actions('recovery:integrity'), on: /IntegrityLive/ },
  ],
  'recovery:answer': [
    { sid: 'RecoveryAnswer', actions: actions('recovery:answer'), on: PLATFORM_MACHINES },
  ],
  'recovery:backups': [
    {
      sid: 'RecoveryBackups',
      actions: actions('recovery:backups'),
      on: /:backup-vault:cloudflow-/,
    },
  ],
  'recovery:databases': [
    { sid: 'RecoveryDatabases', actions: actions('recovery:databases'), on: /:rds:.*:db:\*/ },
  ],
  'recovery:copies': [
    {
      sid: 'RecoveryCopies',
      actions: actions('recovery:copies').filter((each) => !/Restore|kms|Create/.test(each)),
      on: /^\[("arn:aws:rds:[^"]*:(?:cluster|db|cluster-snapshot):cloudflow-[a-z]+-restored-\*",?)+\]$/,
    },
    { sid: 'MakeCopies', actions: ['rds:CreateDBInstance'], on: INSTANCE_GROUPS },
    {
      sid: 'RestoreInto',
      actions: actions('recovery:copies').filter((each) => each.includes('Restore')),
      on: /:cluster-snapshot:awsbackup:\*/,
    },
    key('SealCopies', 'kms:CreateGrant', 'kms:DescribeKey'),
  ],
  'recovery:archives': [
    {
      sid: 'RecoveryArchives',
      actions: actions('recovery:archives').filter((each) => each.startsWith('rds:')),
      on: /:cluster-snapshot:awsbackup:\*/,
    },
    { sid: 'HandOnArchivist', actions: ['iam:PassRole'], on: /Archivist/ },
    key('SealArchives', ...actions('recovery:archives').filter((each) => each.startsWith('kms:'))),
  ],
  'recovery:measures': [
    { sid: 'RecoveryMeasures', actions: actions('recovery:measures'), on: /"\*"/ },
  ],
  'recovery:secret-names': [
    { sid: 'RecoverySecretNames', actions: actions('recovery:secret-names'), on: /"\*"/ },
  ],
  'recovery:topics': [
    { sid: 'RecoveryTopics', actions: actions('recovery:topics'), on: /:topic\// },
  ],
  'takeover:database': [
    {
      sid: 'TakeoverDatabase',
      actions: without('takeover:database', 'rds:CreateDBInstance'),
      on: /:global-cluster:/,
    },
    { sid: 'TakeoverInstance', actions: ['rds:CreateDBInstance'], on: INSTANCE_GROUPS },
  ],
  'takeover:name': [
    {
      sid: 'TakeoverName',
      actions: without('takeover:name', 'route53:GetChange'),
      on: /:hostedzone\//,
    },
    { sid: 'TakeoverChanges', actions: ['route53:GetChange'], on: /:::change\/\*/ },
  ],
  'takeover:engine': [
    { sid: 'TakeoverEngine', actions: ['ecs:DescribeServices'], on: /:service\// },
    {
      sid: 'TakeoverScales',
      actions: ['application-autoscaling:RegisterScalableTarget'],
      on: /:scalable-target\/\*/,
    },
  ],
  'egress:internet': [],
};

const TRACING: Wanted = {
  sid: 'Trace',
  actions: ['xray:PutTraceSegments', 'xray:PutTelemetryRecords'],
  on: /"\*"/,
};

/** What a function needs besides its capabilities: to log, to trace, to stand in the network, to listen. */
function besides(name: FunctionName): readonly Wanted[] {
  const spec = functionSpec(name);
  return [
    {
      sid: 'WriteLog',
      actions: ['logs:CreateLogStream', 'logs:PutLogEvents'],
      on: new RegExp(`:log-group:/aws/lambda/cloudflow-[a-z]+-${name}:\\*`),
    },
    TRACING,
    ...(reachesDatabase(spec)
      ? [
          {
            sid: 'StandInNetwork',
            actions: [
              'ec2:CreateNetworkInterface',
              'ec2:DescribeNetworkInterfaces',
              'ec2:DescribeSubnets',
              'ec2:DeleteNetworkInterface',
              'ec2:AssignPrivateIpAddresses',
              'ec2:UnassignPrivateIpAddresses',
            ],
            on: /"\*"/,
          },
        ]
      : []),
    ...(spec.triggers.some(({ kind }) => kind === 'queue')
      ? [
          {
            sid: 'Listen',
            actions: ['sqs:ReceiveMessage', 'sqs:DeleteMessage', 'sqs:GetQueueAttributes'],
            on: /Nudges/,
          },
        ]
      : []),
    ...(spec.triggers.some(({ kind }) => kind === 'schedule')
      ? [
          {
            sid: 'TellFailure',
            actions: ['sqs:SendMessage'],
            on: new RegExp(`:sqs:.*:cloudflow-[a-z]+-${DEAD_TICKS}"`),
          },
        ]
      : []),
    ...spec.triggers.flatMap((trigger) => (trigger.kind === 'kafka' ? polling(trigger) : [])),
  ];
}

function polling({ topic, group, deadLetters }: KafkaTrigger): readonly Wanted[] {
  return [
    { sid: 'PollFromNetwork', actions: POLLING.account, on: /"\*"/ },
    { sid: 'EnterCluster', actions: POLLING.cluster, on: /Cluster/ },
    { sid: 'ReadTopic', actions: POLLING.topic, on: topicOf(topic) },
    { sid: 'JoinGroup', actions: POLLING.group, on: new RegExp(`:group/.*/${group}`) },
    ...(deadLetters === null
      ? []
      : [{ sid: 'WriteDeadLetters', actions: POLLING.deadLetters, on: topicOf(deadLetters) }]),
  ];
}

/** Of roles that are no program's. */
const CLOCK: readonly Wanted[] = [
  { sid: 'Invoke', actions: ['lambda:InvokeFunction'], on: /Live/ },
  { sid: 'GiveUp', actions: ['sqs:SendMessage'], on: /DeadTicks/ },
];
const DO_STEPS = { sid: 'DoSteps', actions: ['lambda:InvokeFunction'] };
const LOGS_AND_TRACES: readonly Wanted[] = [
  {
    sid: 'Log',
    actions: [
      'logs:CreateLogDelivery',
      'logs:GetLogDelivery',
      'logs:UpdateLogDelivery',
      'logs:DeleteLogDelivery',
      'logs:ListLogDeliveries',
      'logs:PutResourcePolicy',
      'logs:DescribeResourcePolicies',
      'logs:DescribeLogGroups',
    ],
    on: /"\*"/,
  },
  {
    sid: 'Trace',
    actions: [
      'xray:PutTraceSegments',
      'xray:PutTelemetryRecords',
      'xray:GetSamplingRules',
      'xray:GetSamplingTargets',
    ],
    on: /"\*"/,
  },
];

const MACHINE: readonly Wanted[] = [{ ...DO_STEPS, on: /StepRunnerLive/ }, ...LOGS_AND_TRACES];

function platformClock(stack: string, made: Synthesised): readonly Wanted[] {
  const starts: Wanted = {
    sid: 'StartMachines',
    actions: ['states:StartExecution'],
    on: /:stateMachine:platform-/,
  };
  if (stack === 'Standby' || !made.settings.rehearses) return [starts];
  return [
    starts,
    { sid: 'RehearseZone', actions: ['fis:StartExperiment'], on: /:experiment-template\// },
    {
      sid: 'FirstRehearsal',
      actions: ['iam:CreateServiceLinkedRole'],
      on: /:role\/aws-service-role\/fis\.amazonaws\.com\/\*"/,
    },
    { sid: 'CallPeople', actions: ['sns:Publish'], on: /StoreTold|:cloudflow-[a-z]+-recovery"/ },
    recoveryKey('SealCalls', 'kms:Decrypt', 'kms:GenerateDataKey'),
  ];
}

/** Of secrets of tenants, where a region waits. */
const TENANT_COPIES: Wanted = {
  sid: 'SealTenantCopies',
  actions: ['kms:Encrypt', 'kms:Decrypt', 'kms:GenerateDataKey'],
  on: /:key\/\*"/,
};

const COPIED = `(?:${copiedBuckets.join('|')})`;
const BUCKET_COPIER: readonly Wanted[] = [
  {
    sid: 'FindOriginals',
    actions: ['s3:GetReplicationConfiguration', 's3:ListBucket'],
    on: new RegExp(`"arn:aws:s3:::cloudflow-[a-z]+-${COPIED}-\\d{12}"`),
  },
  {
    sid: 'ReadOriginals',
    actions: [
      's3:GetObjectVersionForReplication',
      's3:GetObjectVersionAcl',
      's3:GetObjectVersionTagging',
      's3:GetObjectRetention',
      's3:GetObjectLegalHold',
    ],
    on: new RegExp(`"arn:aws:s3:::cloudflow-[a-z]+-${COPIED}-\\d{12}/\\*"`),
  },
  {
    sid: 'WriteCopies',
    actions: ['s3:ReplicateObject', 's3:ReplicateDelete', 's3:ReplicateTags'],
    on: new RegExp(`"arn:aws:s3:::cloudflow-[a-z]+-${COPIED}-\\d{12}-[a-z0-9-]+/\\*"`),
  },
  key('OpenOriginals', 'kms:Decrypt'),
  { sid: 'SealCopies', actions: ['kms:Encrypt', 'kms:GenerateDataKey'], on: /:key\/\*"/ },
];

const ARCHIVIST: readonly Wanted[] = [
  {
    sid: 'WriteFiles',
    actions: ['s3:PutObject', 's3:GetObject', 's3:DeleteObject', 's3:AbortMultipartUpload'],
    on: new RegExp(`:::cloudflow-[a-z]+-snapshots-${OWNER}/\\*"`),
  },
  {
    sid: 'FindFiles',
    actions: ['s3:ListBucket', 's3:GetBucketLocation'],
    on: new RegExp(`:::cloudflow-[a-z]+-snapshots-${OWNER}"`),
  },
  key('SealFiles', 'kms:Decrypt', 'kms:GenerateDataKey'),
];

const LOG_WRITER: readonly Wanted[] = [
  {
    sid: 'WriteLogs',
    actions: ['s3:PutObject', 's3:AbortMultipartUpload'],
    on: new RegExp(`:::cloudflow-[a-z]+-logs-${OWNER}/\\*"`),
  },
  {
    sid: 'FindLogs',
    actions: ['s3:GetBucketLocation', 's3:ListBucket', 's3:ListBucketMultipartUploads'],
    on: new RegExp(`:::cloudflow-[a-z]+-logs-${OWNER}"`),
  },
  key('SealLogs', 'kms:Decrypt', 'kms:GenerateDataKey'),
];
const LOG_READER: readonly Wanted[] = [
  { sid: 'HandOn', actions: ['firehose:PutRecord', 'firehose:PutRecordBatch'], on: /Stream/ },
];

/** Every role whose permissions are ours to write, and what it must be allowed. */
function roles(
  made: Synthesised,
): readonly { role: string; of: string; wanted: readonly Wanted[] }[] {
  const functions = functionsOf(made.settings).flatMap((name) => {
    const [id] =
      entriesOf(made, 'AWS::Lambda::Function').find(
        ([, { Properties }]) => Properties['FunctionName'] === nameOf(made, name),
      ) ?? [];
    if (id === undefined) return [];
    const role = roleAt(stackOf(id), functionOf(made, name)?.Properties['Role']);
    const can = new Set<Capability>(functionSpec(name).can);
    const copied = made.settings.standby !== null && can.has('secrets:tenants:write');
    if (made.settings.events === null) {
      for (const each of can)
        if (each === 'recovery:topics' || each.startsWith('kafka:')) can.delete(each);
    }
    const wanted = [
      ...[...can].flatMap((each) => STATEMENTS[each]),
      ...besides(name),
      ...(copied ? [TENANT_COPIES] : []),
    ];
    return [{ role, of: name, wanted }];
  });
  const engine = new Set<Capability>(CONTAINERS[engineOf(made.settings)].can);
  const task = roleAt('Engine', engineTask(made)?.Properties['TaskRoleArn']);
  const clocks = clocksOf(made).map(([id, { Properties }]) => ({
    role: roleAt(stackOf(id), (Properties['Target'] as { RoleArn: unknown }).RoleArn),
    of: `the clock of ${String(Properties['Name'])}`,
    wanted: CLOCK,
  }));
  const byName = (start: string) =>
    entriesOf(made, 'AWS::IAM::Role')
      .map(([id]) => id)
      .filter((id) => id.startsWith(start));
  return [
    ...functions,
    {
      role: task,
      of: 'engine',
      wanted: [...[...engine].flatMap((each) => STATEMENTS[each]), TRACING],
    },
    ...clocks,
    ...byName('Workflows/MachineRole').map((role) => ({
      role,
      of: 'machines of workflows',
      wanted: MACHINE,
    })),
    ...['Recovery', 'Standby'].flatMap((stack) => [
      ...byName(`${stack}/MachinesRole`).map((role) => ({
        role,
        of: 'machines of the platform',
        wanted: [
          { ...DO_STEPS, on: stack === 'Recovery' ? /OperationsLive/ : /TakeoverLive/ },
          ...LOGS_AND_TRACES,
        ],
      })),
      ...byName(`${stack}/Clock`).map((role) => ({
        role,
        of: 'the clock of the platform',
        wanted: platformClock(stack, made),
      })),
    ]),
    ...byName('Recovery/DrillsRole').map((role) => ({
      role,
      of: 'who cuts a zone off',
      wanted: [
        {
          sid: 'Log',
          actions: [
            'logs:CreateLogDelivery',
            'logs:PutResourcePolicy',
            'logs:DescribeResourcePolicies',
            'logs:DescribeLogGroups',
          ],
          on: /"\*"/,
        },
      ],
    })),
    ...byName('Recovery/Archivist').map((role) => ({
      role,
      of: 'who writes backups out',
      wanted: ARCHIVIST,
    })),
    ...byName('Stores/CopiesRole').map((role) => ({
      role,
      of: 'who copies buckets',
      wanted: BUCKET_COPIER,
    })),
    ...byName('LogArchive/Writer').map((role) => ({
      role,
      of: 'who writes the archive of logs',
      wanted: LOG_WRITER,
    })),
    ...byName('LogArchive/Reader').map((role) => ({
      role,
      of: 'who hands on lines of logs',
      wanted: LOG_READER,
    })),
    ...byName('Data/ProxyRole').map((role) => ({
      role,
      of: 'the proxy of the database',
      wanted: DATABASE_ROLES.map((each) => ({
        sid: 'LogIn',
        actions: ['rds-db:connect'],
        on: new RegExp(`dbuser:.*/${each}"`),
      })),
    })),
  ];
}

export const PERMISSIONS: Rule = {
  name: 'lets every program, clock, machine and proxy do exactly what it must, where it must',
  problems: (made) =>
    roles(made).flatMap(({ role, of, wanted }) => {
      const said = statementsOf(made, role);
      const missing = wanted.flatMap(({ sid, actions: all, on }) => {
        const found = said.find(({ Sid }) => Sid === sid);
        if (found === undefined) return [`${of} has no statement ${sid}`];
        return [
          ...all
            .filter((action) => !list(found.Action).includes(action))
            .map((action) => `${of} may not ${action} (${sid})`),
          ...(on.test(JSON.stringify(found.Resource))
            ? []
            : [`${of}: ${sid} is not on ${on.source}`]),
        ];
      });
      const beyond = said.flatMap(({ Sid, Action }) => {
        const known = wanted.filter(({ sid }) => sid === Sid).flatMap((each) => each.actions);
        return list(Action)
          .filter((action) => !known.includes(action))
          .map((action) => `${of} may ${action} (${Sid ?? 'no sid'}), which nobody asked for`);
      });
      return [...missing, ...beyond];
    }),
};
