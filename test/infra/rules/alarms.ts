import { type Alarm, isSilent, PRIORITIES, type Priority } from '#config/alarms/alarm.ts';
import { alarmsOf } from '#config/alarms/all.ts';
import { standbyAlarmsOf } from '#config/alarms/recovery.ts';
import { dashboardName } from '#config/charts.ts';
import { dashboardsOf } from '#config/dashboards.ts';
import { engineScaling } from '#config/engine-scaling.ts';
import { resourceNames } from '#config/resources.ts';
import { savedQueries } from '#config/saved-queries.ts';
import { SOCKETS_API, seriesOf } from '#config/signals.ts';
import { standbyDashboardsOf } from '#config/standby-dashboard.ts';
import type { Resource, Synthesised } from '../synth.ts';
import { entriesOf, nameOf, type Rule, referred, stackOf } from './view.ts';

/** The stack that tells people where the platform serves. */
const HOME = 'Observability';

/** Which resource a value of a dimension names. */
const NAMED: Readonly<Record<string, readonly [type: string, property: string]>> = {
  FunctionName: ['AWS::Lambda::Function', 'FunctionName'],
  QueueName: ['AWS::SQS::Queue', 'QueueName'],
  DBClusterIdentifier: ['AWS::RDS::DBCluster', 'DBClusterIdentifier'],
  ProxyName: ['AWS::RDS::DBProxy', 'DBProxyName'],
  ClusterName: ['AWS::ECS::Cluster', 'ClusterName'],
  ServiceName: ['AWS::ECS::Service', 'ServiceName'],
  ApiName: ['AWS::ApiGateway::RestApi', 'Name'],
  Stage: ['AWS::ApiGateway::Stage', 'StageName'],
  DeliveryStreamName: ['AWS::KinesisFirehose::DeliveryStream', 'DeliveryStreamName'],
  LogGroupName: ['AWS::Logs::LogGroup', 'LogGroupName'],
  SourceBucket: ['AWS::S3::Bucket', 'BucketName'],
  DestinationBucket: ['AWS::S3::Bucket', 'BucketName'],
  'Cluster Name': ['AWS::MSK::Cluster', 'ClusterName'],
};

/** Nodes of the cache, which ElastiCache names after their group as they are made. */
function nodesOf(made: Synthesised): readonly string[] {
  const { cacheNode } = resourceNames(made.settings.stage);
  return made.ofType('AWS::ElastiCache::ReplicationGroup').flatMap(({ Properties }) => {
    const { ReplicationGroupId, NumNodeGroups, ReplicasPerNodeGroup } = Properties;
    return Array.from({ length: Number(NumNodeGroups) }, (_, shard) =>
      Array.from({ length: 1 + Number(ReplicasPerNodeGroup) }, (_, node) =>
        cacheNode(shard + 1, node + 1),
      ),
    )
      .flat()
      .filter((node) => node.startsWith(`${String(ReplicationGroupId)}-0`));
  });
}

const boardsOf = ({ settings }: Synthesised) => [
  ...dashboardsOf(settings),
  ...standbyDashboardsOf(settings),
];

/** Whether an alarm of WebSockets looks at the API that there is, by the id that only a deployment knows. */
function isTold(made: Synthesised): boolean {
  const there = entriesOf(made, 'AWS::ApiGatewayV2::Api').map(([id]) => id);
  return entriesOf(made, 'AWS::CloudWatch::Alarm').some(([id, { Properties }]) => {
    const text = JSON.stringify(Properties['Metrics'] ?? []);
    return (
      text.includes('"ApiId"') &&
      referred(made, stackOf(id), Properties['Metrics']).some((each) => there.includes(each))
    );
  });
}

/** Which stack holds the topics of the alarms of where the platform serves. */
const homeOf = ({ settings }: Synthesised): string =>
  settings.takesOver === null ? HOME : 'Standby';

/** Of the region where the platform serves, or of the one that waits; where it took over they are one. */
export function topicOf(
  made: Synthesised,
  priority: Priority,
  stack = homeOf(made),
): string | undefined {
  const name = nameOf(made, priority.toLowerCase());
  return entriesOf(made, 'AWS::SNS::Topic').find(
    ([id, { Properties }]) => stackOf(id) === stack && Properties['TopicName'] === name,
  )?.[0];
}

/** Every alarm, with the topic that hears it: of its priority, in its region. */
function heardBy(made: Synthesised): ReadonlyMap<Alarm, string> {
  return new Map([
    ...alarmsOf(made.settings).map(
      (alarm) => [alarm, topicOf(made, alarm.priority) ?? 'nobody'] as const,
    ),
    ...standbyAlarmsOf(made.settings).map(
      (alarm) => [alarm, topicOf(made, alarm.priority, 'Standby') ?? 'nobody'] as const,
    ),
  ]);
}

function alarmAt(
  made: Synthesised,
  { kind, name }: Alarm,
): readonly [string, Resource] | undefined {
  const [type, property] =
    kind === 'metric'
      ? ['AWS::CloudWatch::Alarm', 'AlarmName']
      : ['AWS::CloudWatch::CompositeAlarm', 'AlarmName'];
  return entriesOf(made, type as string).find(
    ([, { Properties }]) => Properties[property as string] === nameOf(made, name),
  );
}

export const ALARMS: Rule = {
  name: 'every alarm of the table is deployed, says its runbook, and is heard by whom its priority says',
  problems(made) {
    const topics = heardBy(made);
    const alarms = [...topics.keys()];
    const through = new Map(
      alarms.flatMap((alarm) =>
        alarm.kind === 'metric' ? [] : alarm.of.map((part) => [part, alarm.name] as const),
      ),
    );
    const wanted = alarms.flatMap((alarm) => {
      const { name, runbook } = alarm;
      const found = alarmAt(made, alarm);
      if (found === undefined) return [`no alarm ${name}`];
      const [id, { Properties }] = found;
      const text = String(Properties['AlarmDescription']);
      const heard = referred(made, stackOf(id), Properties['AlarmActions']);
      const ends = referred(made, stackOf(id), Properties['OKActions']);
      const by = through.get(name);
      const topic = topics.get(alarm) ?? 'nobody';
      const isHeard = heard.includes(topic) && ends.includes(topic);
      return [
        ...(text.includes(`docs/runbooks/${runbook}.md`) ? [] : [`${name} names no runbook`]),
        ...(isHeard || by !== undefined ? [] : [`nobody hears ${name}`]),
        ...(isSilent(alarm) && heard.length > 0 ? [`${name} is silent and heard`] : []),
        ...(by === undefined || isPartOf(made, alarms, by, id)
          ? []
          : [`${by} is not made of ${name}`]),
      ];
    });
    const names = new Set(alarms.map(({ name }) => nameOf(made, name)));
    const unasked = [
      ...made.ofType('AWS::CloudWatch::Alarm'),
      ...made.ofType('AWS::CloudWatch::CompositeAlarm'),
    ].flatMap(({ Properties }) => {
      const name = String(Properties['AlarmName']);
      return names.has(name) ? [] : [`unasked alarm ${name}`];
    });
    return [...wanted, ...unasked];
  },
};

function isPartOf(
  made: Synthesised,
  alarms: readonly Alarm[],
  whole: string,
  part: string,
): boolean {
  const alarm = alarms.find(({ name }) => name === whole);
  const found = alarm === undefined ? undefined : alarmAt(made, alarm);
  return (
    found !== undefined &&
    referred(made, stackOf(found[0]), found[1].Properties['AlarmRule']).includes(part)
  );
}

export const SIGNALS: Rule = {
  name: 'what alarms, dashboards and scaling look at is what the templates make',
  problems(made) {
    const signals = [
      ...[...alarmsOf(made.settings), ...standbyAlarmsOf(made.settings)].flatMap((alarm) =>
        alarm.kind === 'metric' ? [{ of: alarm.name, signal: alarm.signal }] : [],
      ),
      ...engineScaling(made.settings.stage).map(({ name, signal }) => ({ of: name, signal })),
      ...boardsOf(made).flatMap(({ name, charts }) =>
        charts.flatMap(({ lines }) => lines.map(({ signal }) => ({ of: name, signal }))),
      ),
    ];
    return signals.flatMap(({ of, signal }) =>
      seriesOf(signal).flatMap(({ dimensions }) =>
        Object.entries(dimensions).flatMap(([dimension, value]) => {
          const [type, property] = NAMED[dimension] ?? [];
          if (value === SOCKETS_API) return isTold(made) ? [] : [`${of} looks at no WebSockets`];
          const isNode = dimension === 'CacheClusterId';
          if (!isNode && (type === undefined || property === undefined)) return [];
          // CloudFormation answers names of databases in small letters, and is told them so.
          const there = isNode
            ? nodesOf(made)
            : made.ofType(type ?? '').map(({ Properties }) => String(Properties[property ?? '']));
          return there.includes(value)
            ? []
            : [`${of} looks at ${dimension} ${value}, which is none`];
        }),
      ),
    );
  },
};

export const WHO_IS_WOKEN: Rule = {
  name: 'topics of alarms are sealed by a key, closed to what is not TLS, and open to alarms',
  problems(made) {
    const home = homeOf(made);
    const regions = made.settings.standby === null ? [home] : [home, 'Standby'];
    const wanted = regions.flatMap((stack) =>
      (Object.keys(PRIORITIES) as Priority[]).map((priority) => ({ stack, priority })),
    );
    const { pagerDutySecret } = made.settings.alerts;
    return wanted.flatMap(({ stack, priority }) => {
      const topic = topicOf(made, priority, stack);
      if (topic === undefined) return [`no topic of ${priority} in ${stack}`];
      const calls = entriesOf(made, 'AWS::SNS::Subscription').some(
        ([id, { Properties: of }]) =>
          referred(made, stackOf(id), of['TopicArn']).includes(topic) &&
          JSON.stringify(of['Endpoint']).includes(`secretsmanager:${pagerDutySecret}:`),
      );
      const { Properties } = made.resources.get(topic) as Resource;
      const policy = entriesOf(made, 'AWS::SNS::TopicPolicy').find(([id, found]) =>
        referred(made, stackOf(id), found.Properties['Topics']).includes(topic),
      );
      const text = JSON.stringify(policy?.[1].Properties['PolicyDocument'] ?? {});
      return [
        ...(Properties['KmsMasterKeyId'] === undefined ? [`${priority} has no key`] : []),
        ...(text.includes('"aws:SecureTransport":"false"')
          ? []
          : [`${priority} takes what is not TLS`]),
        ...(text.includes('cloudwatch.amazonaws.com') ? [] : [`${priority} hears no alarm`]),
        ...(calls === (pagerDutySecret !== null) ? [] : [`${priority} in ${stack} calls nobody`]),
      ];
    });
  },
};

export const DASHBOARDS: Rule = {
  name: 'every dashboard and every saved query is deployed, over logs that there are',
  problems(made) {
    const boards = made
      .ofType('AWS::CloudWatch::Dashboard')
      .map(({ Properties }) => String(Properties['DashboardName']));
    const logs = made
      .ofType('AWS::Logs::LogGroup')
      .map(({ Properties }) => String(Properties['LogGroupName']));
    const queries = made
      .ofType('AWS::Logs::QueryDefinition')
      .map(({ Properties }) => String(Properties['Name']));
    return [
      ...boardsOf(made).flatMap(({ name }) =>
        boards.includes(dashboardName(made.settings, name)) ? [] : [`no dashboard ${name}`],
      ),
      ...savedQueries(made.settings).flatMap(({ name, groups }) => [
        ...(queries.includes(`cloudflow-${made.settings.stage}/${name}`)
          ? []
          : [`no query ${name}`]),
        ...groups.flatMap((group) => (logs.includes(group) ? [] : [`${name} asks ${group}`])),
      ]),
    ];
  },
};
