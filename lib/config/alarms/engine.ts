import { resourceNames } from '../resources.ts';
import { aws, math, ours, type Signal, series } from '../signals.ts';
import type { StageSettings } from '../stage-settings.ts';
import { type Alarm, type MetricAlarm, MINUTE, metric } from './alarm.ts';

export function engineAlarms({ stage, engine }: StageSettings): readonly Alarm[] {
  const names = resourceNames(stage);
  const at = { ClusterName: names.cluster, ServiceName: names.engine };
  const use = (name: string, what: string, signal: Signal, threshold = 85): MetricAlarm =>
    metric({
      name,
      priority: 'P3',
      about: `the engine uses more than ${threshold} % of its ${what}`,
      runbook: 'engine-utilisation',
      signal,
      threshold,
      unit: '%',
      periodSeconds: 5 * MINUTE,
      bad: 3,
      of: 3,
    });
  const running = series(aws('ECS/ContainerInsights', 'RunningTaskCount', 'Minimum', at));
  return [
    metric({
      name: 'engine-down',
      priority: 'P1',
      about: 'no task of the engine runs: executions there stand still',
      runbook: 'engine-tasks',
      signal: running,
      comparison: 'below',
      threshold: 1,
      unit: '',
      periodSeconds: MINUTE,
      bad: 3,
      of: 3,
      missing: 'bad',
    }),
    metric({
      name: 'engine-tasks',
      priority: 'P3',
      about: `fewer tasks of the engine run than its least, which is ${engine.minTasks}`,
      runbook: 'engine-tasks',
      signal: running,
      comparison: 'below',
      threshold: engine.minTasks,
      unit: '',
      periodSeconds: MINUTE,
      bad: 10,
      of: 10,
      missing: 'bad',
    }),
    metric({
      name: 'engine-leases-lost',
      priority: 'P3',
      about: 'processes of the engine lose their leases: they are starved, or the database is slow',
      runbook: 'engine-leases',
      signal: series(ours(stage, 'EngineLeasesLost', 'Sum', {})),
      threshold: 3,
      unit: '',
      periodSeconds: 5 * MINUTE,
      bad: 2,
      of: 3,
    }),
    metric({
      name: 'engine-restarts',
      priority: 'P3',
      about: 'containers beside the engine end and are started again',
      runbook: 'engine-tasks',
      signal: series(aws('ECS/ContainerInsights', 'RestartCount', 'Sum', at)),
      threshold: 3,
      unit: '',
      periodSeconds: 5 * MINUTE,
      bad: 2,
      of: 3,
    }),
    use('engine-cpu', 'processors', series(aws('AWS/ECS', 'CPUUtilization', 'Average', at))),
    use('engine-memory', 'memory', series(aws('AWS/ECS', 'MemoryUtilization', 'Average', at)), 80),
    use(
      'engine-storage',
      'disk',
      math('100 * used / reserved', {
        used: aws('ECS/ContainerInsights', 'EphemeralStorageUtilized', 'Average', at),
        reserved: aws('ECS/ContainerInsights', 'EphemeralStorageReserved', 'Average', at),
      }),
    ),
    use(
      'engine-pools',
      'connections to the database',
      math('MAX([app, own])', {
        app: ours(stage, 'PoolUse', 'Average', { Program: 'engine', Pool: 'cloudflow_app' }),
        own: ours(stage, 'PoolUse', 'Average', { Program: 'engine', Pool: 'cloudflow_engine' }),
      }),
    ),
  ];
}
