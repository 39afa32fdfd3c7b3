import { BUCKETS, type BucketName, type BucketUse, bucketNames } from './buckets.ts';
import { type TopicName, topicNames } from './topics.ts';

/**
 * What a program may do besides computing, in words of the platform. A deployment turns each into
 * grants on the resources it made; `actions` are the IAM actions that the code behind it calls, on
 * the resources of that capability and no others. A test compares them with what adapters send.
 */
export const DATABASE_ROLES = [
  'cloudflow_app',
  'cloudflow_engine',
  'cloudflow_relay',
  'cloudflow_login',
  'cloudflow_auditor',
] as const;
/** Roles that programs log in as; who may do what as each is `adapters/postgres/roles.ts`. */
export type DatabaseRole = (typeof DATABASE_ROLES)[number];

export interface Rule {
  readonly about: string;
  readonly actions: readonly string[];
}

const login = (role: DatabaseRole): Rule => ({
  about: `log in to PostgreSQL as ${role}, with a token that IAM signs`,
  actions: ['rds-db:connect'],
});

/**
 * Actions on a cluster of MSK, by what they are asked of. Where the cluster is, is asked of MSK itself,
 * which knows no resource that this could be narrowed to.
 */
export const KAFKA_ACTIONS = {
  publish: {
    account: ['kafka:GetBootstrapBrokers'],
    cluster: ['kafka-cluster:Connect', 'kafka-cluster:WriteDataIdempotently'],
    topic: ['kafka-cluster:DescribeTopic', 'kafka-cluster:WriteData'],
    group: [],
  },
  consume: {
    account: ['kafka:GetBootstrapBrokers'],
    cluster: ['kafka-cluster:Connect'],
    topic: ['kafka-cluster:DescribeTopic', 'kafka-cluster:ReadData'],
    group: ['kafka-cluster:DescribeGroup', 'kafka-cluster:AlterGroup'],
  },
  /** Without a group: what is read is for whoever happens to wait. */
  watch: {
    account: ['kafka:GetBootstrapBrokers'],
    cluster: ['kafka-cluster:Connect'],
    topic: ['kafka-cluster:DescribeTopic', 'kafka-cluster:ReadData'],
    group: [],
  },
} as const satisfies Record<
  string,
  Record<'account' | 'cluster' | 'topic' | 'group', readonly string[]>
>;

export type KafkaUse = keyof typeof KAFKA_ACTIONS;
export const kafkaUses = Object.keys(KAFKA_ACTIONS) as KafkaUse[];
export type KafkaCapability = `kafka:${TopicName}:${KafkaUse}`;

function kafkaRules(): { readonly [C in KafkaCapability]: Rule } {
  const uses = (topic: TopicName): [KafkaCapability, Rule][] => [
    [
      `kafka:${topic}:publish`,
      { about: `write to ${topic}`, actions: Object.values(KAFKA_ACTIONS.publish).flat() },
    ],
    [
      `kafka:${topic}:consume`,
      {
        about: `read ${topic}, in the groups that it names`,
        actions: Object.values(KAFKA_ACTIONS.consume).flat(),
      },
    ],
    [
      `kafka:${topic}:watch`,
      {
        about: `read ${topic}, in no group`,
        actions: Object.values(KAFKA_ACTIONS.watch).flat(),
      },
    ],
  ];
  return Object.fromEntries(topicNames.flatMap(uses)) as { [C in KafkaCapability]: Rule };
}

/** Actions on a bucket itself, and on what lies in it. */
export const BUCKET_ACTIONS = {
  write: { bucket: [], objects: ['s3:PutObject', 's3:AbortMultipartUpload'] },
  read: { bucket: ['s3:ListBucket'], objects: ['s3:GetObject'] },
  delete: { bucket: [], objects: ['s3:DeleteObject'] },
} as const satisfies Record<BucketUse, Record<'bucket' | 'objects', readonly string[]>>;

export type BucketCapability = {
  [Name in BucketName]: `bucket:${Name}:${(typeof BUCKETS)[Name]['uses'][number]}`;
}[BucketName];

function bucketRules(): { readonly [C in BucketCapability]: Rule } {
  const uses = (name: BucketName): [string, Rule][] =>
    BUCKETS[name].uses.map((use) => [
      `bucket:${name}:${use}`,
      { about: `${use} objects of ${name}`, actions: Object.values(BUCKET_ACTIONS[use]).flat() },
    ]);
  return Object.fromEntries(bucketNames.flatMap(uses)) as { [C in BucketCapability]: Rule };
}

export const CAPABILITIES = {
  'postgres:cloudflow_app': login('cloudflow_app'),
  'postgres:cloudflow_engine': login('cloudflow_engine'),
  'postgres:cloudflow_relay': login('cloudflow_relay'),
  'postgres:cloudflow_login': login('cloudflow_login'),
  'postgres:cloudflow_auditor': login('cloudflow_auditor'),
  'postgres:owner': {
    about: 'read the login of the owner of the schema, and reach the writer without the proxy',
    actions: ['secretsmanager:GetSecretValue'],
  },
  'secrets:cursor-key': {
    about: 'read the key that seals cursors of the API',
    actions: ['secretsmanager:GetSecretValue'],
  },
  'secrets:identity-key': {
    about: 'read the secret that identity derives its keys from',
    actions: ['secretsmanager:GetSecretValue'],
  },
  'secrets:platform-keys:turn': {
    about: 'read and replace the keys that the platform turns by itself',
    actions: ['secretsmanager:GetSecretValue', 'secretsmanager:PutSecretValue'],
  },
  'secrets:tenants:read': {
    about: 'read the secrets that tenants keep here, under their prefix',
    actions: ['secretsmanager:GetSecretValue'],
  },
  'secrets:tenants:write': {
    about: 'create and replace the secrets of tenants, under their prefix',
    actions: [
      'secretsmanager:CreateSecret',
      'secretsmanager:PutSecretValue',
      'secretsmanager:ReplicateSecretToRegions',
      'secretsmanager:RestoreSecret',
      'secretsmanager:TagResource',
    ],
  },
  'secrets:tenants:delete': {
    about: 'delete the secrets of tenants, under their prefix',
    actions: [
      'secretsmanager:DeleteSecret',
      'secretsmanager:DescribeSecret',
      'secretsmanager:RemoveRegionsFromReplication',
    ],
  },
  'states:run': {
    about: 'start, stop and look at executions of the machines of workflows',
    actions: [
      'states:StartExecution',
      'states:StopExecution',
      'states:DescribeExecution',
      'states:GetExecutionHistory',
    ],
  },
  'states:answer': {
    about: 'answer tasks that wait for a token',
    actions: ['states:SendTaskSuccess', 'states:SendTaskFailure', 'states:SendTaskHeartbeat'],
  },
  'states:register': {
    about:
      'make machines of workflows out of their definitions, and hand them the role they run as',
    actions: [
      'states:CreateStateMachine',
      'states:UpdateStateMachine',
      'states:PublishStateMachineVersion',
      'states:CreateStateMachineAlias',
      'states:UpdateStateMachineAlias',
      'states:TagResource',
      'iam:PassRole',
    ],
  },
  'states:collect': {
    about: 'delete machines of workflows that nobody has started for long',
    actions: ['states:ListStateMachines', 'states:ListExecutions', 'states:DeleteStateMachine'],
  },
  'queue:step-functions-nudges:send': {
    about: 'wake the driver of Step Functions',
    actions: ['sqs:SendMessage'],
  },
  ...kafkaRules(),
  ...bucketRules(),
  records: {
    about: 'keep small records that expire, in DynamoDB',
    actions: ['dynamodb:GetItem', 'dynamodb:PutItem', 'dynamodb:DeleteItem', 'dynamodb:Query'],
  },
  cache: {
    about: 'log in to the cache, with a token that IAM signs',
    actions: ['elasticache:Connect'],
  },
  'sockets:manage': {
    about: 'send over WebSockets that API Gateway holds, and end them',
    actions: ['execute-api:ManageConnections'],
  },
  'mail:send': {
    about: 'send mail from the domain of the stage',
    actions: ['ses:SendEmail'],
  },
  'signing-keys:make': {
    about: 'seal keys that sign tokens, and open them again to see that they can be opened',
    actions: ['kms:Encrypt', 'kms:Decrypt'],
  },
  'signing-keys:open': {
    about: 'open keys that sign tokens',
    actions: ['kms:Decrypt'],
  },
  'recovery:documents': {
    about: 'read and write logs, reports and inventories of operations',
    actions: ['s3:GetObject', 's3:PutObject', 's3:ListBucket'],
  },
  'recovery:announce': {
    about: 'tell whoever operates the platform',
    actions: ['sns:Publish'],
  },
  'recovery:integrity': {
    about: 'ask for a check of integrity',
    actions: ['lambda:InvokeFunction'],
  },
  'recovery:answer': {
    about: 'answer approvals of the platform’s own machines',
    actions: ['states:SendTaskSuccess', 'states:SendTaskFailure', 'states:SendTaskHeartbeat'],
  },
  'recovery:backups': {
    about: 'see which backups there are',
    actions: ['backup:ListRecoveryPointsByBackupVault'],
  },
  'recovery:databases': {
    about: 'see how clusters of the database are',
    actions: ['rds:DescribeDBClusters', 'rds:DescribeDBInstances'],
  },
  'recovery:copies': {
    about: 'make copies of the database out of backups, under their prefix, and remove them',
    actions: [
      'rds:RestoreDBClusterFromSnapshot',
      'rds:RestoreDBClusterToPointInTime',
      'rds:CreateDBInstance',
      'rds:DeleteDBInstance',
      'rds:DeleteDBCluster',
      'rds:AddTagsToResource',
      'kms:CreateGrant',
      'kms:DescribeKey',
    ],
  },
  'recovery:archives': {
    about: 'have backups written out as files, and see how far they are',
    actions: [
      'rds:StartExportTask',
      'rds:DescribeExportTasks',
      'iam:PassRole',
      'kms:CreateGrant',
      'kms:Decrypt',
      'kms:DescribeKey',
      'kms:Encrypt',
      'kms:GenerateDataKey',
      'kms:GenerateDataKeyWithoutPlaintext',
      'kms:ReEncryptFrom',
      'kms:ReEncryptTo',
      'kms:RetireGrant',
    ],
  },
  'recovery:measures': {
    about: 'read what CloudWatch has measured',
    actions: ['cloudwatch:GetMetricData'],
  },
  'recovery:secret-names': {
    about: 'list secrets, without reading one',
    actions: ['secretsmanager:ListSecrets'],
  },
  'recovery:topics': {
    about: 'read the settings of topics',
    actions: ['kafka:ListTopics', 'kafka:DescribeTopic'],
  },
  'takeover:database': {
    about: 'give the database that waits an instance, and make it the one that writes',
    actions: [
      'rds:DescribeGlobalClusters',
      'rds:SwitchoverGlobalCluster',
      'rds:FailoverGlobalCluster',
      'rds:CreateDBInstance',
    ],
  },
  'takeover:name': {
    about: 'let the name of the API lead here',
    actions: [
      'route53:ListResourceRecordSets',
      'route53:ChangeResourceRecordSets',
      'route53:GetChange',
    ],
  },
  'takeover:engine': {
    about: 'let the engine that waits run as many tasks as production needs',
    actions: ['ecs:DescribeServices', 'application-autoscaling:RegisterScalableTarget'],
  },
  'egress:internet': {
    about: 'connect to where workflows say, through the guard against private addresses',
    actions: [],
  },
} as const satisfies Record<string, Rule>;

export type Capability = keyof typeof CAPABILITIES;
