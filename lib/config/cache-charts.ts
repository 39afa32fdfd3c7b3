import { cacheNodes } from './alarms/cache.ts';
import type { AwsMetricName } from './aws-metrics.ts';
import { CACHES, cacheKindNames } from './caches.ts';
import { type Chart, type Lines, line } from './charts.ts';
import { aws, math, ours, type Statistic } from './signals.ts';
import type { StageSettings } from './stage-settings.ts';

/** What the cache does, node by node. */
export function cacheCharts(settings: StageSettings): readonly Chart[] {
  const nodes = cacheNodes(settings);
  const each = (name: AwsMetricName<'AWS/ElastiCache'>, statistic: Statistic): Lines =>
    nodes.map((CacheClusterId) =>
      line(CacheClusterId, aws('AWS/ElastiCache', name, statistic, { CacheClusterId })),
    );
  return [
    { title: 'Cache: processor, %', lines: each('EngineCPUUtilization', 'Average') },
    { title: 'Cache: memory, %', lines: each('DatabaseMemoryUsagePercentage', 'Average') },
    {
      title: 'Cache: found, of what was asked for, %',
      // A name is one series in the whole picture.
      lines: nodes.map((CacheClusterId, i) => ({
        label: CacheClusterId,
        signal: math(`100 * hits${i} / (hits${i} + misses${i})`, {
          [`hits${i}`]: aws('AWS/ElastiCache', 'CacheHits', 'Sum', { CacheClusterId }),
          [`misses${i}`]: aws('AWS/ElastiCache', 'CacheMisses', 'Sum', { CacheClusterId }),
        }),
      })),
    },
    {
      title: 'Values kept besides: found without the database, %',
      lines: cacheKindNames.map((Cache, i) => {
        const of = (From: string) => ours(settings.stage, 'CacheReads', 'Sum', { Cache, From });
        const [process, shared, source] = [`process${i}`, `shared${i}`, `source${i}`];
        return {
          label: CACHES[Cache].name,
          signal: math(
            `100 * (FILL(${process}, 0) + FILL(${shared}, 0)) / (FILL(${process}, 0) + FILL(${shared}, 0) + FILL(${source}, 0))`,
            {
              [process]: of('process'),
              [shared]: of('shared'),
              [source]: of('source'),
            },
          ),
        };
      }),
    },
    {
      title: 'Values kept besides: without an answer of the cache',
      lines: cacheKindNames.map((Cache) =>
        line(Cache, ours(settings.stage, 'CacheFailures', 'Sum', { Cache })),
      ),
    },
    { title: 'Cache: forgotten for want of room', lines: each('Evictions', 'Sum') },
    {
      title: 'Cache: connections',
      lines: [
        ...each('CurrConnections', 'Average'),
        line('that failed', ours(settings.stage, 'CacheConnectFailures', 'Sum', {})),
      ],
    },
  ];
}
