import type { StageSettings } from '#config/stage-settings.ts';
import { MONTH, PRICES, type PriceName } from '#core/cost/prices.ts';
import { invocationsOf, type Load, machines, socketMessages, USUAL } from './load.ts';

/** What a resource of a template costs in a month: so many of what AWS has a price for. */
export interface Line {
  readonly what: string;
  readonly price: PriceName;
  readonly quantity: number;
}

export interface TemplateResource {
  readonly Type: string;
  readonly Properties?: { readonly [key: string]: unknown };
}

export interface Surroundings {
  readonly settings: StageSettings;
  readonly load: Load;
  /** A resource of the same stack by its logical id. */
  readonly find: (id: string) => TemplateResource | undefined;
}

type Properties = { readonly [key: string]: unknown };
type Cost = 'free' | ((properties: Properties, around: Surroundings) => readonly Line[]);

/**
 * Every type of resource that a template may have: what it costs, or that it costs nothing by itself. A
 * type that is not here has no price, and the page about costs is not written until it has one.
 */
const COSTS: { readonly [type: string]: Cost } = {
  ...free('AWS::ApiGateway::', [
    ...['Account', 'Authorizer', 'BasePathMapping', 'Deployment', 'DomainName', 'GatewayResponse'],
    ...['Method', 'Model', 'RequestValidator', 'Resource', 'Stage'],
  ]),
  'AWS::ApiGateway::RestApi': (_, { load }) => requests(load.requestsPerDay * MONTH.days),
  ...free('AWS::ApiGatewayV2::', [
    'Authorizer',
    'Deployment',
    'Integration',
    'IntegrationResponse',
  ]),
  ...free('AWS::ApiGatewayV2::', ['Route', 'RouteResponse', 'Stage']),
  'AWS::ApiGatewayV2::Api': (_, { load }) => [
    line('messages of WebSockets', 'apigateway.message', socketMessages(load)),
    line('open WebSockets', 'apigateway.minute', load.openSockets * MONTH.hours * 60),
  ],
  ...free('AWS::ApplicationAutoScaling::', ['ScalableTarget', 'ScalingPolicy']),
  ...free('AWS::Backup::', ['BackupSelection', 'BackupVault']),
  'AWS::Backup::BackupPlan': backups,
  ...free('AWS::Backup::', ['RestoreTestingPlan', 'RestoreTestingSelection']),
  'AWS::CloudWatch::Alarm': ({ Metrics, Period }) => {
    const series = list(Metrics).filter((each) => 'MetricStat' in each).length;
    return typeof Period === 'number' && Period < 60
      ? [line('alarms by the second', 'cloudwatch.fast-alarm', Math.max(1, series))]
      : [line('alarms', 'cloudwatch.alarm', Math.max(1, series))];
  },
  'AWS::CloudWatch::CompositeAlarm': () => [line('composite alarms', 'cloudwatch.composite', 1)],
  'AWS::CloudWatch::Dashboard': () => [line('dashboards', 'cloudwatch.dashboard', 1)],
  'AWS::DynamoDB::GlobalTable': ({ Replicas }, { load }) => {
    const calls = socketMessages(load) + load.executionsPerDay * MONTH.days * 0.1;
    return [
      line('small records written', 'dynamodb.write', calls * list(Replicas).length),
      line('small records read', 'dynamodb.read', calls),
    ];
  },
  ...free('AWS::EC2::', [
    ...['FlowLog', 'InternetGateway', 'Route', 'RouteTable', 'SecurityGroup'],
    ...['SecurityGroupEgress', 'SecurityGroupIngress', 'Subnet', 'SubnetRouteTableAssociation'],
    ...['VPC', 'VPCGatewayAttachment'],
  ]),
  'AWS::EC2::EIP': () => [line('public addresses', 'address.hour', MONTH.hours)],
  'AWS::EC2::NatGateway': () => [line('NAT gateways', 'nat.hour', MONTH.hours)],
  'AWS::EC2::VPCEndpoint': ({ VpcEndpointType, SubnetIds }) =>
    VpcEndpointType === 'Interface'
      ? [line('endpoints', 'endpoint.hour', MONTH.hours * list(SubnetIds).length)]
      : [],
  ...free('AWS::ECS::', ['Cluster', 'ClusterCapacityProviderAssociations', 'TaskDefinition']),
  'AWS::ECS::Service': tasks,
  ...free('AWS::ElastiCache::', ['ParameterGroup', 'SubnetGroup', 'User', 'UserGroup']),
  'AWS::ElastiCache::ReplicationGroup': cacheNodes,
  // Scheduled rules and events of AWS itself are delivered for nothing.
  ...free('AWS::Events::', ['Rule']),
  ...free('AWS::FIS::', ['ExperimentTemplate']),
  ...free('AWS::IAM::', ['ManagedPolicy', 'Policy', 'Role']),
  ...free('AWS::KMS::', ['Alias']),
  'AWS::KinesisFirehose::DeliveryStream': (_, { load }) => [
    line('logs archived', 'firehose.gb', logGb(load)),
  ],
  'AWS::KMS::Key': () => [line('keys', 'kms.key', 1)],
  'AWS::KMS::ReplicaKey': () => [line('keys', 'kms.key', 1)],
  ...free('AWS::Lambda::', ['EventInvokeConfig', 'LayerVersion', 'Permission', 'Version']),
  'AWS::Lambda::Alias': warmth,
  'AWS::Lambda::EventSourceMapping': ({ ProvisionedPollerConfig }) =>
    ProvisionedPollerConfig === undefined
      ? []
      : [
          line(
            'pollers of Kafka',
            'lambda.poller',
            MONTH.hours * pollerUnits(ProvisionedPollerConfig),
          ),
        ],
  'AWS::Lambda::Function': invocations,
  ...free('AWS::Logs::', ['LogGroup', 'QueryDefinition', 'ResourcePolicy', 'SubscriptionFilter']),
  ...free('AWS::MSK::', ['ClusterPolicy', 'Configuration', 'Topic']),
  'AWS::MSK::Cluster': brokers,
  ...free('AWS::RDS::', ['DBClusterParameterGroup', 'DBParameterGroup', 'DBProxyTargetGroup']),
  ...free('AWS::RDS::', ['DBSubnetGroup', 'GlobalCluster']),
  'AWS::RDS::DBCluster': storage,
  'AWS::RDS::DBInstance': instance,
  'AWS::RDS::DBProxy': (_, { settings: { database } }) => {
    // Eight units are the least that is charged.
    const units =
      database.capacity.kind === 'serverless' ? 8 : Math.max(8, 8 * (1 + database.readers));
    return [line('database proxy', 'rdsproxy.unit', MONTH.hours * units)];
  },
  // Beside its first, an address of the proxy is an endpoint in each of its zones.
  'AWS::RDS::DBProxyEndpoint': ({ VpcSubnetIds }) => [
    line('endpoints', 'endpoint.hour', MONTH.hours * (VpcSubnetIds as readonly unknown[]).length),
  ],
  ...free('AWS::Route53::', ['RecordSet', 'RecordSetGroup']),
  ...free('AWS::S3::', ['BucketPolicy']),
  'AWS::S3::Bucket': ({ BucketName }, { load }) => [
    // Documents of operations are small, whatever the stage does.
    line('objects in buckets', 's3.gb', /-recovery-/.test(String(BucketName)) ? 1 : load.bucketGb),
  ],
  ...free('AWS::SES::', ['ConfigurationSet', 'ConfigurationSetEventDestination', 'EmailIdentity']),
  'AWS::SES::DedicatedIpPool': () => [line('own addresses of mail', 'ses.pool', 1)],
  // What is published to them is alarms alone.
  ...free('AWS::SNS::', ['Subscription', 'Topic', 'TopicPolicy']),
  ...free('AWS::SQS::', ['QueuePolicy']),
  'AWS::SQS::Queue': ({ RedrivePolicy }, { load }) => {
    // Five pollers of Lambda ask every 20 seconds, whether there is anything or not.
    const asked = (MONTH.hours * 3_600 * 5) / 20;
    return RedrivePolicy === undefined
      ? []
      : [line('requests of queues', 'sqs.request', asked + machines(load) * 3)];
  },
  'AWS::Scheduler::Schedule': ({ ScheduleExpression }) => [
    line('ticks', 'scheduler.invocation', ticks(String(ScheduleExpression))),
  ],
  ...free('AWS::Scheduler::', ['ScheduleGroup']),
  ...free('AWS::SecretsManager::', ['ResourcePolicy', 'RotationSchedule']),
  // A function that runs once a month.
  ...free('AWS::Serverless::', ['Application']),
  ...free('AWS::SecretsManager::', ['SecretTargetAttachment']),
  // A copy costs as much as its original.
  'AWS::SecretsManager::Secret': ({ ReplicaRegions }) => [
    line('secrets', 'secrets.secret', 1 + list(ReplicaRegions ?? []).length),
  ],
  // What they do is transitions, which the load counts.
  ...free('AWS::StepFunctions::', ['StateMachine', 'StateMachineAlias', 'StateMachineVersion']),
  ...free('AWS::WAFv2::', ['LoggingConfiguration', 'WebACLAssociation']),
  'AWS::WAFv2::WebACL': ({ Rules }, { load }) => [
    line('firewall', 'waf.acl', 1),
    line('rules of the firewall', 'waf.rule', list(Rules).length),
    line('requests that the firewall looks at', 'waf.request', load.requestsPerDay * MONTH.days),
  ],
  ...free('Custom::', ['Trigger', 'S3AutoDeleteObjects']),
};

/** Dollars of a month for a line. */
export function usdOf({ price, quantity }: Line): number {
  return quantity * PRICES[price].usd;
}

/** Whether a type costs something or nothing; false when nobody has said. */
export function isPriced(type: string): boolean {
  return Object.hasOwn(COSTS, type);
}

/** What a resource costs in a month. Throws a TypeError for a type whose price nobody has said. */
export function linesOf(
  { Type, Properties = {} }: TemplateResource,
  around: Surroundings,
): readonly Line[] {
  const cost = COSTS[Type];
  if (cost === undefined) {
    throw new TypeError(
      `${Type} has no price; say in lib/stacks/costs/resources.ts what it costs, or that it is free`,
    );
  }
  return cost === 'free' ? [] : cost(Properties, around);
}

/** What no resource has by itself: data that passes, logs, traces, metrics, transitions, mail. */
export function linesOfLoad({ settings, load }: Omit<Surroundings, 'find'>): readonly Line[] {
  const executions = load.executionsPerDay * MONTH.days;
  const requestsOfMonth = load.requestsPerDay * MONTH.days;
  const gigabytes = logGb(load);
  return [
    line('transitions of machines', 'states.transition', machines(load) * USUAL.transitions),
    line('data through NAT', 'nat.gb', (executions * USUAL.outsideKb) / 1e6),
    line('logs taken in', 'logs.in', gigabytes),
    line('logs looked through for personal data', 'logs.hide', gigabytes),
    line('logs kept', 'logs.gb', (gigabytes * settings.logDays) / MONTH.days),
    line('metrics of ours', 'cloudwatch.metric', load.metricSeries),
    line('traces', 'xray.trace', (executions + requestsOfMonth) * USUAL.tracedShare),
    line('requests to keys', 'kms.request', (executions + requestsOfMonth) * 0.01),
    line('mail', 'ses.message', load.mailsPerDay * MONTH.days),
  ];
}

function logGb({ executionsPerDay, requestsPerDay }: Load): number {
  const kilobytes = executionsPerDay * USUAL.logKb + requestsPerDay * USUAL.logKbPerRequest;
  return (kilobytes * MONTH.days) / 1e6;
}

function free(prefix: string, types: readonly string[]): { readonly [type: string]: 'free' } {
  return Object.fromEntries(types.map((type) => [`${prefix}${type}`, 'free'] as const));
}

function line(what: string, price: PriceName, quantity: number): Line {
  return { what, price, quantity };
}

function list(value: unknown): readonly object[] {
  return Array.isArray(value) ? (value as object[]) : [];
}

const MILLION = 1e6;

function requests(count: number): readonly Line[] {
  const first = Math.min(count, 333 * MILLION);
  const next = Math.min(count - first, 667 * MILLION);
  const steps = [first, next, count - first - next] as const;
  const prices = ['apigateway.request.1', 'apigateway.request.2', 'apigateway.request.3'] as const;
  return prices
    .map((price, i) => line('requests of the API', price, steps[i] ?? 0))
    .filter(({ quantity }) => quantity > 0);
}

function tasks(
  { TaskDefinition, CapacityProviderStrategy }: Properties,
  { find, settings }: Surroundings,
): readonly Line[] {
  const { Cpu, Memory } = find(refOf(TaskDefinition))?.Properties ?? {};
  const spot = JSON.stringify(CapacityProviderStrategy ?? '').includes('FARGATE_SPOT');
  // How many there are is said by the scaling: at the fewest.
  const hours = settings.engine.minTasks * MONTH.hours;
  return [
    line(
      'tasks: cores',
      spot ? 'fargate.vcpu.spot' : 'fargate.vcpu',
      (hours * Number(Cpu)) / 1_024,
    ),
    line(
      'tasks: memory',
      spot ? 'fargate.gb.spot' : 'fargate.gb',
      (hours * Number(Memory)) / 1_024,
    ),
  ];
}

/** A unit that is paid for takes 20 MB a second, a poller 5; those of a group share units. */
const POLLERS_PER_UNIT = 4;
function pollerUnits(config: unknown): number {
  const { MinimumPollers, PollerGroupName } = config as Properties;
  const units = Number(MinimumPollers) / POLLERS_PER_UNIT;
  return PollerGroupName === undefined ? Math.ceil(units) : units;
}

function warmth(
  { FunctionName, ProvisionedConcurrencyConfig }: Properties,
  { find }: Surroundings,
): readonly Line[] {
  const kept = (ProvisionedConcurrencyConfig as Properties | undefined)?.[
    'ProvisionedConcurrentExecutions'
  ];
  if (kept === undefined) return [];
  const gigabytes = Number(find(refOf(FunctionName))?.Properties?.['MemorySize']) / 1_024;
  const seconds = MONTH.hours * 3_600;
  return [line('functions kept warm', 'lambda.warm', Number(kept) * gigabytes * seconds)];
}

function invocations(
  { FunctionName, MemorySize }: Properties,
  { settings, load }: Surroundings,
): readonly Line[] {
  const name = String(FunctionName).replace(`cloudflow-${settings.stage}-`, '');
  const gigabytes = Number(MemorySize) / 1_024;
  return invocationsOf(name, load)
    .filter(({ perMonth }) => perMonth > 0)
    .flatMap(({ perMonth, ms }) => [
      line('invocations of functions', 'lambda.request', perMonth),
      line('time of functions', 'lambda.arm', (perMonth * ms * gigabytes) / 1_000),
    ]);
}

function brokers({ BrokerNodeGroupInfo, NumberOfBrokerNodes }: Properties, around: Surroundings) {
  const { InstanceType, StorageInfo } = BrokerNodeGroupInfo as {
    readonly InstanceType: string;
    readonly StorageInfo?: { readonly EBSStorageInfo?: { readonly VolumeSize?: number } };
  };
  const price = `msk.${InstanceType}`;
  if (!(price in PRICES)) throw new TypeError(`brokers of type ${InstanceType} have no price`);
  const count = Number(NumberOfBrokerNodes);
  const hours = line('brokers', price as PriceName, count * MONTH.hours);
  const disk = StorageInfo?.EBSStorageInfo?.VolumeSize;
  if (disk !== undefined) return [hours, line('disks of brokers', 'msk.gb', count * disk)];
  const written = (around.load.executionsPerDay * MONTH.days * USUAL.eventKb) / 1e6;
  return [
    hours,
    line('written to brokers', 'msk.express.in', written),
    // A week of it, in three copies.
    line('disks of brokers', 'msk.gb', (written * 7 * 3) / MONTH.days),
  ];
}

function cacheNodes({ CacheNodeType, NumNodeGroups, ReplicasPerNodeGroup }: Properties) {
  const price = String(CacheNodeType);
  if (!(price in PRICES)) throw new TypeError(`a cache on ${price} has no price`);
  const nodes = Number(NumNodeGroups) * (1 + Number(ReplicasPerNodeGroup));
  return [line('the cache', price as PriceName, nodes * MONTH.hours)];
}

function storage(
  { StorageType, MasterUserPassword, ManageMasterUserPassword }: Properties,
  { load }: Surroundings,
): readonly Line[] {
  const isKept = ManageMasterUserPassword === true && MasterUserPassword === undefined;
  const reads = load.executionsPerDay * MONTH.days * USUAL.pageReads;
  return [
    ...(isKept ? [line('secrets', 'secrets.secret', 1)] : []),
    ...(StorageType === 'aurora-iopt1'
      ? [line('storage of the database', 'aurora.gb.iopt', load.databaseGb)]
      : [
          line('storage of the database', 'aurora.gb', load.databaseGb),
          line('reads and writes of the database', 'aurora.io', reads),
        ]),
  ];
}

function instance(
  { DBInstanceClass }: Properties,
  { settings: { database } }: Surroundings,
): readonly Line[] {
  const { capacity } = database;
  if (DBInstanceClass === 'db.serverless' && capacity.kind === 'serverless') {
    return [line('the database, at its least', 'aurora.unit', capacity.minUnits * MONTH.hours)];
  }
  const price = `aurora.${String(DBInstanceClass).replace(/^db\./, '')}.iopt`;
  if (!(price in PRICES)) {
    throw new TypeError(`a database on ${String(DBInstanceClass)} has no price`);
  }
  return [line('the database', price as PriceName, MONTH.hours)];
}

/** Backups share what did not change: taken as one of everything and as much again, here and in each copy. */
function backups({ BackupPlan }: Properties, { load }: Surroundings): readonly Line[] {
  const { BackupPlanRule } = BackupPlan as { readonly BackupPlanRule: unknown };
  const copied = list(BackupPlanRule).some((rule) => 'CopyActions' in rule);
  return [line('backups of the database', 'backup.gb', load.databaseGb * 2 * (copied ? 2 : 1))];
}

/** Once in how many minutes, from `rate(1 minute)`; other forms are rare enough to be once a day. */
function ticks(expression: string): number {
  const [, count, unit] = /^rate\((\d+) (minute|hour|day)s?\)$/.exec(expression) ?? [];
  const minutes = { minute: 1, hour: 60, day: 1_440 }[unit ?? 'day'] ?? 1_440;
  return (MONTH.hours * 60) / (Number(count ?? 1) * minutes);
}

/** The logical id in `{ Ref }` or in the first part of `Fn::GetAtt`. */
function refOf(value: unknown): string {
  const { Ref, 'Fn::GetAtt': attribute } = (value ?? {}) as {
    readonly Ref?: string;
    readonly 'Fn::GetAtt'?: readonly string[];
  };
  return Ref ?? attribute?.[0] ?? '';
}
