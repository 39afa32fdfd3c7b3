import { describe, expect, it } from 'vitest';
import type { Priority } from '#config/alarms/alarm.ts';
import { alarmsOf } from '#config/alarms/all.ts';
import { standbyAlarmsOf } from '#config/alarms/recovery.ts';
import { consumerNames } from '#config/consumers.ts';
import { dashboardsOf } from '#config/dashboards.ts';
import { type Series, seriesOf } from '#config/signals.ts';
import { readStageSettings } from '#config/stage-settings.ts';
import { STAGES } from '#config/stages.ts';
import { standbyDashboardsOf } from '#config/standby-dashboard.ts';
import { consumerCharts } from '#config/store-dashboards.ts';

const settingsOf = (stage: string) => readStageSettings({ stage, account: undefined }, {});
const nameOf = ({ namespace, name }: Series): string =>
  `${namespace.startsWith('CloudFlow/') ? 'CloudFlow' : namespace} ${name}`;

/** What must be seen on a dashboard of every stage, by what it tells. */
const SEEN: Readonly<Record<string, readonly string[]>> = {
  'requests, by service and operation': ['AWS/ApiGateway Count', 'CloudFlow ApiRequests'],
  'errors of clients and of ours': ['AWS/ApiGateway 4XXError', 'AWS/ApiGateway 5XXError'],
  latency: ['AWS/ApiGateway Latency', 'CloudFlow ApiLatency'],
  'processors, memory and disks': [
    'AWS/ECS CPUUtilization',
    'AWS/ECS MemoryUtilization',
    'ECS/ContainerInsights EphemeralStorageUtilized',
    'AWS/RDS CPUUtilization',
    'AWS/RDS FreeableMemory',
    'AWS/ElastiCache EngineCPUUtilization',
    'AWS/ElastiCache DatabaseMemoryUsagePercentage',
  ],
  'starts that wait, and bulk operations': [
    'CloudFlow StartsWaiting',
    'CloudFlow OldestStartWaiting',
    'CloudFlow StartQueueFill',
    'CloudFlow BulkOperationsOpen',
    'CloudFlow BulkExecutionsSeen',
  ],
  'what the cache finds': ['AWS/ElastiCache CacheHits', 'AWS/ElastiCache CacheMisses'],
  'what is found without the database': ['CloudFlow CacheReads', 'CloudFlow CacheFailures'],
  'how full pools are': [
    'CloudFlow PoolUse',
    'CloudFlow PoolWaiting',
    'AWS/RDS DatabaseConnections',
  ],
  'what ends and is started again': ['ECS/ContainerInsights RestartCount'],
  'how far readers of events are behind': ['CloudFlow OutboxLag'],
  WebSockets: [
    'AWS/ApiGateway ConnectCount',
    'AWS/ApiGateway MessageCount',
    'AWS/ApiGateway ClientError',
    'AWS/ApiGateway IntegrationError',
    'AWS/ApiGateway ExecutionError',
  ],
};

/** What stages with Kafka show besides. */
const OF_KAFKA = [
  'AWS/Kafka CpuIdle',
  'AWS/Kafka EstimatedMaxTimeLag',
  'CloudFlow EnginesNotHeard',
];
/** What stages with a proxy show besides. */
const OF_A_PROXY = ['AWS/RDS ClientConnections', 'AWS/RDS DatabaseConnectionsBorrowLatency'];

/** What wakes somebody, and how soon. */
interface Wakes {
  readonly alarm: string;
  readonly priority: Priority;
  /** Without it a stage has no such alarm. */
  readonly with?: 'readers' | 'proxy' | 'disks' | 'kafka' | 'standby' | 'mail';
}

const WAKES: readonly Wakes[] = [
  { alarm: 'api-errors', priority: 'P1' },
  { alarm: 'database-unreachable', priority: 'P1' },
  { alarm: 'api-latency', priority: 'P2' },
  { alarm: 'cache-hits', priority: 'P2' },
  { alarm: 'sockets-errors', priority: 'P2' },
  { alarm: 'mail-bounces', priority: 'P2', with: 'mail' },
  { alarm: 'mail-complaints', priority: 'P2', with: 'mail' },
  ...consumerNames.map((name) => ({
    alarm: `${name}-lag`,
    priority: 'P2' as const,
    with: 'kafka' as const,
  })),
  { alarm: 'outbox-lag', priority: 'P2' },
  { alarm: 'events-laid-aside', priority: 'P2' },
  { alarm: 'events-laid-aside-due', priority: 'P2' },
  { alarm: 'bucket-copies-failed', priority: 'P2', with: 'standby' },
  { alarm: 'bucket-copies-behind', priority: 'P2', with: 'standby' },
  { alarm: 'database-copy-behind', priority: 'P2', with: 'standby' },
  { alarm: 'start-queues', priority: 'P3' },
  { alarm: 'bulk-operations-idle', priority: 'P3' },
  { alarm: 'engine-cpu', priority: 'P3' },
  { alarm: 'engine-memory', priority: 'P3' },
  { alarm: 'engine-storage', priority: 'P3' },
  { alarm: 'engine-pools', priority: 'P3' },
  { alarm: 'engine-tasks', priority: 'P3' },
  { alarm: 'engine-restarts', priority: 'P3' },
  { alarm: 'database-utilisation', priority: 'P3' },
  { alarm: 'database-readers', priority: 'P3', with: 'readers' },
  { alarm: 'database-readers-utilisation', priority: 'P3', with: 'readers' },
  { alarm: 'database-borrow-slow', priority: 'P3', with: 'proxy' },
  { alarm: 'cache-foreign', priority: 'P2' },
  { alarm: 'cache-cpu', priority: 'P3' },
  { alarm: 'cache-memory', priority: 'P3' },
  { alarm: 'cache-nodes', priority: 'P3' },
  { alarm: 'kafka-cpu', priority: 'P3', with: 'kafka' },
  { alarm: 'kafka-brokers', priority: 'P3', with: 'kafka' },
  { alarm: 'engines-not-heard', priority: 'P3', with: 'kafka' },
  { alarm: 'kafka-disk', priority: 'P3', with: 'disks' },
];

describe.each(STAGES)('in stage %s', (stage) => {
  const settings = settingsOf(stage);
  const shown = new Set(
    dashboardsOf(settings)
      .flatMap(({ charts }) => charts)
      .flatMap(({ lines }) => lines)
      .flatMap(({ signal }) => seriesOf(signal))
      .map(nameOf),
  );

  it.each(Object.entries(SEEN))('dashboards show %s', (_what, wanted) => {
    expect(wanted.filter((each) => !shown.has(each))).toEqual([]);
  });

  it('dashboards show brokers, and how far what reads them is behind', () => {
    expect(OF_KAFKA.map((each) => shown.has(each))).toEqual(
      OF_KAFKA.map(() => settings.events !== null),
    );
  });

  it('dashboards show what waits in front of a proxy', () => {
    expect(OF_A_PROXY.map((each) => shown.has(each))).toEqual(
      OF_A_PROXY.map(() => settings.database.proxy),
    );
  });

  it.each(WAKES)('$alarm wakes somebody as $priority', ({ alarm, priority, with: part }) => {
    const is = {
      readers: settings.database.readers > 0,
      proxy: settings.database.proxy,
      disks: settings.events !== null && settings.events.storage !== null,
      kafka: settings.events !== null,
      standby: settings.standby !== null,
      mail: settings.mail !== null,
    };
    const found = [...alarmsOf(settings), ...standbyAlarmsOf(settings)].find(
      ({ name }) => name === alarm,
    );
    expect(found?.priority).toBe(part === undefined || is[part] ? priority : undefined);
  });

  it('the region that waits has a dashboard of its own, of what follows and of what would take over', () => {
    const there = new Set(
      standbyDashboardsOf(settings)
        .flatMap(({ charts }) => charts)
        .flatMap(({ lines }) => lines)
        .flatMap(({ signal }) => seriesOf(signal))
        .map(nameOf),
    );
    expect([...there].sort()).toEqual(
      settings.standby === null
        ? []
        : [
            'AWS/Lambda Duration',
            'AWS/Lambda Errors',
            'AWS/RDS AuroraGlobalDBReplicationLag',
            'AWS/S3 BytesPendingReplication',
            'AWS/S3 OperationsPendingReplication',
            'AWS/S3 ReplicationLatency',
            'AWS/States ExecutionsFailed',
            'CloudFlow RegionUnanswered',
          ],
    );
  });

  it('a function that reads a topic of Kafka would have its line', () => {
    const charts = consumerCharts(stage, [
      [
        'mailer',
        {
          triggers: [
            {
              kind: 'kafka',
              topic: 'notifications.email',
              group: 'mailer',
              batchSize: 1,
              pollers: { least: 1, most: 1 },
              deadLetters: null,
            },
          ],
        },
      ],
    ]);
    expect(charts.flatMap(({ lines }) => lines.map(({ label }) => label))).toEqual([
      'mailer on notifications.email',
    ]);
    const [series] = charts.flatMap(({ lines }) => lines.flatMap(({ signal }) => seriesOf(signal)));
    expect(series).toMatchObject({
      namespace: 'AWS/Kafka',
      name: 'EstimatedMaxTimeLag',
      dimensions: { 'Consumer Group': 'mailer', Topic: 'notifications.email' },
    });
  });
});
