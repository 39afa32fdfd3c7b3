import { ofCopies } from './alarms/bucket-copies.ts';
import type { AwsMetricName } from './aws-metrics.ts';
import { type Chart, type DashboardSpec, type Lines, line } from './charts.ts';
import { functionNames, functionSpec } from './functions.ts';
import { platformMachineArn, platformWorkflowsIn } from './platform-workflows.ts';
import { resourceNames } from './resources.ts';
import { aws, ours, type Statistic } from './signals.ts';
import type { StageSettings } from './stage-settings.ts';

/** What somebody looks at before and while a region takes over; it stands there, and asks nothing of here. */
export function standbyDashboardsOf(settings: StageSettings): readonly DashboardSpec[] {
  const { stage, account, standby } = settings;
  if (standby === null) return [];
  const names = resourceNames(stage);
  const copies = (
    title: string,
    name: AwsMetricName<'AWS/S3 copies'>,
    statistic: Statistic,
  ): Chart => ({
    title,
    lines: Object.entries(ofCopies(settings, name, statistic)).map(([bucket, of]) =>
      line(bucket, of),
    ),
  });
  const functions = (name: AwsMetricName<'AWS/Lambda'>, statistic: Statistic): Lines =>
    functionNames
      .filter((program) => functionSpec(program).runsIn === 'standby')
      .map((program) =>
        line(
          program,
          aws('AWS/Lambda', name, statistic, { FunctionName: names.functionName(program) }),
        ),
      );
  return [
    {
      name: 'standby',
      about: `${standby.region}, which waits to take over`,
      charts: [
        {
          title: `The API of ${settings.region}, asked from here: unanswered`,
          lines: [line('of those asked', ours(stage, 'RegionUnanswered', 'Average', {}))],
        },
        {
          title: 'Database: its copy is behind, ms',
          lines: [
            line(
              'furthest',
              aws('AWS/RDS copy', 'AuroraGlobalDBReplicationLag', 'Maximum', {
                DBClusterIdentifier: names.database,
              }),
            ),
          ],
        },
        copies('Buckets: their copies are behind, s', 'ReplicationLatency', 'Maximum'),
        copies('Buckets: bytes that wait to be copied', 'BytesPendingReplication', 'Maximum'),
        copies(
          'Buckets: objects that wait to be copied',
          'OperationsPendingReplication',
          'Maximum',
        ),
        {
          title: 'Workflows that did not succeed',
          lines: platformWorkflowsIn('standby').map((workflow) =>
            line(
              workflow,
              aws('AWS/States', 'ExecutionsFailed', 'Sum', {
                StateMachineArn: platformMachineArn(
                  { stage, account, region: standby.region },
                  workflow,
                ),
              }),
            ),
          ),
        },
        { title: 'Functions: errors', lines: functions('Errors', 'Sum') },
        { title: 'Functions: duration, ms (p99)', lines: functions('Duration', 'p99') },
      ],
    },
  ];
}
