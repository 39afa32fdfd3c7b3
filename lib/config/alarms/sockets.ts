import type { AwsMetricName } from '../aws-metrics.ts';
import { resourceNames } from '../resources.ts';
import { aws, math, type Series, SOCKETS_API, type Statistic } from '../signals.ts';
import type { StageSettings } from '../stage-settings.ts';
import { type Alarm, MINUTE, metric } from './alarm.ts';

/** What API Gateway measures of WebSockets. */
export function ofSockets(
  { stage }: Pick<StageSettings, 'stage'>,
  name: AwsMetricName<'AWS/ApiGateway sockets'>,
  statistic: Statistic = 'Sum',
): Series {
  const { apiStage } = resourceNames(stage);
  return aws('AWS/ApiGateway sockets', name, statistic, { ApiId: SOCKETS_API, Stage: apiStage });
}

export function socketAlarms(settings: StageSettings): readonly Alarm[] {
  return [
    metric({
      name: 'sockets-errors',
      priority: 'P2',
      about: 'more than 1 % of what is said over WebSockets fails by our fault',
      runbook: 'sockets',
      signal: math(
        'IF(answered + unasked >= 5, 100 * (answered + unasked) / (connected + said), 0)',
        {
          answered: ofSockets(settings, 'IntegrationError'),
          unasked: ofSockets(settings, 'ExecutionError'),
          connected: ofSockets(settings, 'ConnectCount'),
          said: ofSockets(settings, 'MessageCount'),
        },
      ),
      threshold: 1,
      unit: '%',
      periodSeconds: 5 * MINUTE,
      bad: 3,
      of: 3,
    }),
  ];
}
