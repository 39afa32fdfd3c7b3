import type { AwsMetricName } from '../aws-metrics.ts';
import { cacheKindNames } from '../caches.ts';
import { resourceNames } from '../resources.ts';
import { aws, math, ours, type Series, series } from '../signals.ts';
import type { StageSettings } from '../stage-settings.ts';
import { type Alarm, type MetricAlarm, MINUTE, metric, presence } from './alarm.ts';

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
    metric({
      name: 'cache-foreign',
      priority: 'P2',
      about: 'the cache holds values that nobody of ours has written: somebody else writes there',
      runbook: 'cache',
      signal: math(
        'SUM(METRICS())',
        Object.fromEntries(
          cacheKindNames.map((Cache, i): [string, Series] => [
            `kind${i + 1}`,
            ours(stage, 'CacheUnusable', 'Sum', { Cache, Reason: 'foreign' }),
          ]),
        ),
      ),
      threshold: 0,
      unit: '',
      periodSeconds: 5 * MINUTE,
      bad: 1,
      of: 1,
    }),
    most('cache-cpu', 'processor', 'EngineCPUUtilization'),
    most('cache-memory', 'memory', 'DatabaseMemoryUsagePercentage'),
    ...presence(
      {
        name: 'cache-nodes',
        priority: 'P3',
        about: `fewer nodes of the cache run than its ${cacheNodes(settings).length}`,
        runbook: 'cache',
      },
      cacheNodes(settings).map((CacheClusterId) =>
        aws('AWS/ElastiCache', 'EngineCPUUtilization', 'SampleCount', { CacheClusterId }),
      ),
    ),
    ...hitAlarms(settings),
  ];
}

/** Requests in a period before a rate is taken for one: a cache that was just made knows nothing. */
const FEW_REQUESTS = 1_000;

/** Shard by shard: keys are spread evenly, so one tells of all, and all at once are too many series. */
function hitAlarms({ stage, cache }: StageSettings): readonly Alarm[] {
  const { cacheNode } = resourceNames(stage);
  const described = { priority: 'P2', runbook: 'cache' } as const;
  const parts = Array.from({ length: cache.shards }, (_, shard) => {
    const nodes = Array.from({ length: 1 + cache.replicas }, (_unused, node) => node + 1);
    const of = (measured: 'CacheHits' | 'CacheMisses') =>
      nodes.map((node): [string, Series] => [
        `${measured === 'CacheHits' ? 'hits' : 'misses'}${node}`,
        aws('AWS/ElastiCache', measured, 'Sum', { CacheClusterId: cacheNode(shard + 1, node) }),
      ]);
    const [hits, misses] = [of('CacheHits'), of('CacheMisses')];
    const sum = (series: readonly [string, Series][]) =>
      `SUM([${series.map(([id]) => id).join(', ')}])`;
    const all = `(${sum(hits)} + ${sum(misses)})`;
    return metric({
      ...described,
      name: `cache-hits-${shard + 1}`,
      about: 'the part of cache-hits that asks one shard',
      signal: math(
        `IF(${all} >= ${FEW_REQUESTS}, 100 * ${sum(hits)} / ${all}, 100)`,
        Object.fromEntries([...hits, ...misses]),
      ),
      comparison: 'below',
      threshold: 80,
      unit: '%',
      periodSeconds: 5 * MINUTE,
      bad: 3,
      of: 3,
      silent: true,
    });
  });
  return [
    ...parts,
    {
      ...described,
      kind: 'any',
      name: 'cache-hits',
      about: 'the cache has less than 80 % of what it is asked for',
      of: parts.map(({ name }) => name),
    },
  ];
}
