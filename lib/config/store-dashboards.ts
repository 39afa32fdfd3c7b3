import { consumersOf } from './alarms/events.ts';
import type { EventSettings } from './brokers.ts';
import { cacheCharts } from './cache-charts.ts';
import { type Chart, type DashboardSpec, type Lines, line } from './charts.ts';
import { QUEUES } from './queues.ts';
import { resourceNames } from './resources.ts';
import { aws, ours } from './signals.ts';
import type { StageSettings } from './stage-settings.ts';
import { topicNames } from './topics.ts';

const ENGINE_POOLS = ['cloudflow_app', 'cloudflow_engine'] as const;

/** The database, and what stands in front of it. */
export function dataDashboard(settings: StageSettings): DashboardSpec {
  const { stage, database } = settings;
  const names = resourceNames(stage);
  const of = (Role: 'WRITER' | 'READER') => ({ DBClusterIdentifier: names.database, Role });
  const charts: Chart[] = [
    {
      title: 'Processors, %',
      lines: [
        line('writer', aws('AWS/RDS', 'CPUUtilization', 'Average', of('WRITER'))),
        line('readers', aws('AWS/RDS', 'CPUUtilization', 'Average', of('READER'))),
      ],
    },
    {
      title: 'Connections',
      lines: [
        line('writer', aws('AWS/RDS', 'DatabaseConnections', 'Sum', of('WRITER'))),
        line('readers', aws('AWS/RDS', 'DatabaseConnections', 'Sum', of('READER'))),
        line('that failed', ours(stage, 'DatabaseConnectFailures', 'Sum', {})),
      ],
    },
    {
      title: 'Commits, ms',
      lines: [line('average', aws('AWS/RDS', 'CommitLatency', 'Average', of('WRITER')))],
    },
    {
      title: 'Readers behind, ms',
      lines: [line('furthest', aws('AWS/RDS', 'AuroraReplicaLag', 'Maximum', of('READER')))],
    },
    {
      title: 'Memory that is free',
      lines: [line('writer', aws('AWS/RDS', 'FreeableMemory', 'Minimum', of('WRITER')))],
    },
    {
      title: 'Pools of the engine, % in use',
      lines: ENGINE_POOLS.map((Pool) =>
        line(Pool, ours(stage, 'PoolUse', 'Maximum', { Program: 'engine', Pool })),
      ),
    },
    {
      title: 'Pools of the engine: who waits for a connection',
      lines: ENGINE_POOLS.map((Pool) =>
        line(Pool, ours(stage, 'PoolWaiting', 'Maximum', { Program: 'engine', Pool })),
      ),
    },
  ];
  if (database.proxy) {
    const at = { ProxyName: names.proxy };
    charts.push({
      title: 'Proxy',
      lines: [
        line('clients', aws('AWS/RDS proxy', 'ClientConnections', 'Sum', at)),
        line('connections', aws('AWS/RDS proxy', 'DatabaseConnections', 'Sum', at)),
        line(
          'pinned',
          aws('AWS/RDS proxy', 'DatabaseConnectionsCurrentlySessionPinned', 'Sum', at),
        ),
      ],
    });
    charts.push({
      title: 'Proxy: wait for a connection, µs',
      lines: [
        line('average', aws('AWS/RDS proxy', 'DatabaseConnectionsBorrowLatency', 'Average', at)),
        line('longest', aws('AWS/RDS proxy', 'DatabaseConnectionsBorrowLatency', 'Maximum', at)),
      ],
    });
  }
  return {
    name: 'data',
    about: 'the database, its proxy and the pools in front of it, and the cache',
    charts: [...charts, ...cacheCharts(settings)],
  };
}

/** What goes between programs. */
export function eventsDashboard({ stage, events }: StageSettings): DashboardSpec {
  const names = resourceNames(stage);
  return {
    name: 'events',
    about:
      events === null
        ? 'events in the log of the database, and the queues between programs'
        : 'Kafka, its consumers and the queues between programs',
    charts: [
      ...(events === null ? [] : kafkaCharts(stage, events)),
      {
        title: 'Events that wait in the database: oldest, s',
        lines: topicNames.map((Topic) =>
          line(Topic, ours(stage, 'OutboxLag', 'Maximum', { Topic })),
        ),
      },
      {
        title: 'Queues: oldest message, s',
        lines: Object.keys(QUEUES).map((queue) =>
          line(
            queue,
            aws('AWS/SQS', 'ApproximateAgeOfOldestMessage', 'Maximum', {
              QueueName: names.queue(queue),
            }),
          ),
        ),
      },
      {
        title: 'Queues: dead letters',
        lines: Object.keys(QUEUES).map((queue) =>
          line(
            queue,
            aws('AWS/SQS', 'ApproximateNumberOfMessagesVisible', 'Maximum', {
              QueueName: names.deadQueue(queue),
            }),
          ),
        ),
      },
    ],
  };
}

function kafkaCharts(stage: string, { brokers: count }: EventSettings): readonly Chart[] {
  const at = { 'Cluster Name': resourceNames(stage).kafka };
  const brokers = Array.from({ length: count }, (_, i) => String(i + 1));
  const each = (name: 'CpuIdle' | 'BytesInPerSec' | 'BytesOutPerSec'): Lines =>
    brokers.map((id) =>
      line(`broker ${id}`, aws('AWS/Kafka broker', name, 'Average', { ...at, 'Broker ID': id })),
    );
  return [
    {
      title: 'Kafka',
      lines: [
        line('partitions', aws('AWS/Kafka', 'GlobalPartitionCount', 'Maximum', at)),
        line('offline', aws('AWS/Kafka', 'OfflinePartitionsCount', 'Maximum', at)),
      ],
    },
    { title: 'Processors of brokers, % idle', lines: each('CpuIdle') },
    { title: 'Bytes in, a second', lines: each('BytesInPerSec') },
    { title: 'Bytes out, a second', lines: each('BytesOutPerSec') },
    {
      title: 'Engines that were asked and did not answer',
      lines: [line('done by whoever asked', ours(stage, 'EnginesNotHeard', 'Sum', {}))],
    },
    ...consumerCharts(stage),
  ];
}

/** None until a function reads a topic: a picture needs a line. */
export function consumerCharts(...asked: Parameters<typeof consumersOf>): readonly Chart[] {
  const lines = consumersOf(...asked).map(({ name, topic, behind }) =>
    line(`${name} on ${topic}`, behind),
  );
  return lines.length === 0 ? [] : [{ title: 'Consumers: furthest behind, s', lines }];
}
