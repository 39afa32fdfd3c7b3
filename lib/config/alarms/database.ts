import { resourceNames } from '../resources.ts';
import { aws, math, ours, series } from '../signals.ts';
import type { StageSettings } from '../stage-settings.ts';
import { type Alarm, MINUTE, metric } from './alarm.ts';

export function databaseAlarms({ stage, database }: StageSettings): readonly Alarm[] {
  const names = resourceNames(stage);
  const writer = { DBClusterIdentifier: names.database, Role: 'WRITER' } as const;
  const readers = { DBClusterIdentifier: names.database, Role: 'READER' } as const;
  const busy = database.capacity.kind === 'serverless' ? 'ACUUtilization' : 'CPUUtilization';
  const alarms: Alarm[] = [
    metric({
      name: 'database-unreachable',
      priority: 'P1',
      about: 'programs cannot connect to the database',
      runbook: 'database-unreachable',
      signal: series(ours(stage, 'DatabaseConnectFailures', 'Sum', {})),
      threshold: 0,
      unit: '',
      periodSeconds: MINUTE,
      bad: 2,
      of: 2,
    }),
    metric({
      name: 'database-utilisation',
      priority: 'P3',
      about: 'the writer of the database uses more than 85 % of its processors',
      runbook: 'database-utilisation',
      signal: series(aws('AWS/RDS', busy, 'Average', writer)),
      threshold: 85,
      unit: '%',
      periodSeconds: 5 * MINUTE,
      bad: 3,
      of: 3,
    }),
  ];
  if (database.readers > 0) {
    alarms.push(
      metric({
        name: 'database-readers',
        priority: 'P3',
        about: `fewer readers of the database run than its ${database.readers}`,
        runbook: 'database-readers',
        // Each instance tells its uptime once a minute, so how many told it is how many there are.
        signal: series(aws('AWS/RDS', 'EngineUptime', 'SampleCount', readers)),
        comparison: 'below',
        threshold: database.readers,
        unit: '',
        periodSeconds: MINUTE,
        bad: 10,
        of: 10,
        missing: 'bad',
      }),
      metric({
        name: 'database-readers-utilisation',
        priority: 'P3',
        about: 'readers of the database use more than 85 % of their processors',
        runbook: 'database-readers',
        signal: series(aws('AWS/RDS', busy, 'Average', readers)),
        threshold: 85,
        unit: '%',
        periodSeconds: 5 * MINUTE,
        bad: 3,
        of: 3,
      }),
      metric({
        name: 'database-replica-lag',
        priority: 'P3',
        about: 'readers of the database are more than a second behind',
        runbook: 'database-readers',
        signal: series(aws('AWS/RDS', 'AuroraReplicaLag', 'Maximum', readers)),
        threshold: 1_000,
        unit: 'ms',
        periodSeconds: MINUTE,
        bad: 5,
        of: 5,
      }),
    );
  }
  if (database.proxy) {
    alarms.push(
      metric({
        name: 'database-borrow-slow',
        priority: 'P3',
        about: 'programs wait more than 100 ms for a connection of the proxy',
        runbook: 'database-pinned',
        signal: series(
          aws('AWS/RDS proxy', 'DatabaseConnectionsBorrowLatency', 'Average', {
            ProxyName: names.proxy,
          }),
        ),
        threshold: 100_000,
        unit: 'µs',
        periodSeconds: 5 * MINUTE,
        bad: 3,
        of: 3,
      }),
      metric({
        name: 'database-pinned',
        priority: 'P3',
        about: 'sessions stay pinned to connections, so the proxy cannot share them',
        runbook: 'database-pinned',
        signal: math('IF(all > 20, 100 * pinned / all, 0)', {
          pinned: aws('AWS/RDS proxy', 'DatabaseConnectionsCurrentlySessionPinned', 'Average', {
            ProxyName: names.proxy,
          }),
          all: aws('AWS/RDS proxy', 'DatabaseConnections', 'Average', { ProxyName: names.proxy }),
        }),
        threshold: 50,
        unit: '%',
        periodSeconds: 5 * MINUTE,
        bad: 3,
        of: 3,
      }),
    );
  }
  return alarms;
}
