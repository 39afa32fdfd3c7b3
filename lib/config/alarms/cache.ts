import type { AwsMetricName } from '../aws-metrics.ts';
import { resourceNames } from '../resources.ts';
import { aws, math, ours, type Series, series } from '../signals.ts';
import type { StageSettings } from '../stage-settings.ts';
import { type Alarm, type MetricAlarm, MINUTE, metric } from './alarm.ts';

/** Every node of the cache, by its name. */
export function cacheNodes({ stage, cache }: StageSettings): readonly string[] {
  const { cacheNode } = resourceNames(stage);
  return Array.from({ length: cache.shards }, (_, shard) =>
    Array.from({ length: 1 + cache.replicas }, (_, node) => cacheNode(shard + 1, node + 1)),
  ).flat();
}

export function cacheAlarms(settings: StageSettings): readonly Alarm[] {
  const { stage } = settings;
  /** Of the node that has most of it. */
  const most = (
    name: string,
    what: string,
    measured: AwsMetricName<'AWS/ElastiCache'>,
  ): MetricAlarm => {
    const nodes = cacheNodes(settings).map((CacheClusterId, i): [string, Series] => [
      `node${i + 1}`,
      aws('AWS/ElastiCache', measured, 'Average', { CacheClusterId }),
    ]);
    return metric({
      name,
      priority: 'P3',
      about: `a node of the cache uses more than 85 % of its ${what}`,
      runbook: 'cache',
      signal: math('MAX(METRICS())', Object.fromEntries(nodes)),
      threshold: 85,
      unit: '%',
      periodSeconds: 5 * MINUTE,
      bad: 3,
      of: 3,
    });
  };
  return [
    metric({
      name: 'cache-unreachable',
      priority: 'P2',
      about: 'programs cannot connect to the cache: they do without, slower',
      runbook: 'cache',
      signal: series(ours(stage, 'CacheConnectFailures', 'Sum', {})),
      threshold: 3,
      unit: '',
      periodSeconds: MINUTE,
      bad: 3,
      of: 5,
    }),
    most('cache-cpu', 'processor', 'EngineCPUUtilization'),
    most('cache-memory', 'memory', 'DatabaseMemoryUsagePercentage'),
  ];
}
