import type { AwsMetricName } from '../aws-metrics.ts';
import {
  PLATFORM_WORKFLOWS,
  type PlatformWorkflow,
  platformMachineArn,
  platformWorkflowsIn,
} from '../platform-workflows.ts';
import { COPY_BEHIND_SECONDS } from '../recovery.ts';
import { resourceNames } from '../resources.ts';
import { aws, math, ours, series } from '../signals.ts';
import type { StageSettings } from '../stage-settings.ts';
import { type Alarm, MINUTE, metric } from './alarm.ts';
import { copiesBehind, copyFailures } from './bucket-copies.ts';

export function recoveryAlarms(settings: StageSettings): readonly Alarm[] {
  return [...workflowAlarms(settings, 'home', settings.region), ...copyFailures(settings)];
}

/** Alarms of the region that waits, heard there: who is needed must not depend on the region that is lost. */
export function standbyAlarmsOf(settings: StageSettings): readonly Alarm[] {
  const { standby } = settings;
  if (standby === null) return [];
  const own = [
    ...workflowAlarms(settings, 'standby', standby.region),
    metric({
      name: 'database-copy-behind',
      priority: 'P2',
      about: 'the copy of the database that waits is more than 15 minutes behind',
      runbook: 'database-copy',
      signal: series(
        aws('AWS/RDS copy', 'AuroraGlobalDBReplicationLag', 'Maximum', {
          DBClusterIdentifier: resourceNames(settings.stage).database,
        }),
      ),
      threshold: COPY_BEHIND_SECONDS * 1_000,
      unit: 'ms',
      periodSeconds: MINUTE,
      bad: 3,
      of: 3,
    }),
    copiesBehind(settings),
    metric({
      name: 'region-unanswered',
      priority: 'P1',
      about: `asked from ${standby.region}, the API of ${settings.region} has not answered for a minute`,
      runbook: 'region-unanswered',
      signal: series(ours(settings.stage, 'RegionUnanswered', 'Minimum', {})),
      threshold: 0,
      unit: '',
      // With what the log takes to become a metric: within two minutes.
      periodSeconds: MINUTE / 2,
      bad: 2,
      of: 2,
    }),
    metric({
      name: 'probe-silent',
      priority: 'P2',
      about: 'nobody has asked for five minutes whether the region that serves answers',
      runbook: 'region-unanswered',
      signal: series(ours(settings.stage, 'RegionUnanswered', 'SampleCount', {})),
      comparison: 'below',
      threshold: 1,
      unit: '',
      periodSeconds: 5 * MINUTE,
      bad: 1,
      of: 1,
      missing: 'bad',
    }),
  ];
  // An alarm can be made of those of its own region alone.
  const urgent = own.filter(({ priority }) => priority === 'P1');
  return [
    ...own,
    {
      kind: 'any',
      name: 'standby-p1',
      priority: 'P1',
      about: 'one or more of the alarms of the region that waits which wake somebody at once',
      runbook: 'incident',
      of: urgent.map(({ name }) => name),
    },
  ];
}

/** Whatever ends a workflow of the platform but success. */
function workflowAlarms(
  { stage, account }: StageSettings,
  runsIn: PlatformWorkflow['runsIn'],
  region: string,
): readonly Alarm[] {
  return platformWorkflowsIn(runsIn).map((name) => {
    const StateMachineArn = platformMachineArn({ stage, region, account }, name);
    const ended = (how: AwsMetricName<'AWS/States'>) =>
      aws('AWS/States', how, 'Sum', { StateMachineArn });
    return metric({
      name: `${name}-failed`,
      priority: PLATFORM_WORKFLOWS[name].priority,
      about: `the workflow ${name} did not succeed: ${PLATFORM_WORKFLOWS[name].about}`,
      runbook: 'platform-workflows',
      signal: math('failed + late + aborted', {
        failed: ended('ExecutionsFailed'),
        late: ended('ExecutionsTimedOut'),
        aborted: ended('ExecutionsAborted'),
      }),
      threshold: 0,
      unit: '',
      periodSeconds: 5 * MINUTE,
      bad: 1,
      of: 1,
    });
  });
}
