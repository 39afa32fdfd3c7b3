import { functionSpec, homeFunctionsOf } from '../functions.ts';
import { QUEUES } from '../queues.ts';
import { resourceNames } from '../resources.ts';
import { aws, math, series } from '../signals.ts';
import type { StageSettings } from '../stage-settings.ts';
import { type Alarm, MINUTE, metric } from './alarm.ts';

export function functionAlarms({ stage, events }: StageSettings): readonly Alarm[] {
  const names = resourceNames(stage);
  const failing = homeFunctionsOf({ events })
    // What callers of the API see is counted at its edge, and runners of steps throw whatever a step
    // fails with: what fails by our fault is measured by itself, or fails a workflow of the platform.
    .filter((name) =>
      functionSpec(name).triggers.every(
        ({ kind }) => !['http', 'machine-task', 'platform-task'].includes(kind),
      ),
    )
    .map((name) => {
      const rare = functionSpec(name).triggers.every(
        (trigger) => trigger.kind !== 'schedule' || trigger.everyMinutes > 60,
      );
      return metric({
        name: `${name}-failing`,
        priority: 'P2',
        about: `the function ${name} fails: ${functionSpec(name).about}`,
        runbook: 'function-failing',
        signal: series(
          aws('AWS/Lambda', 'Errors', 'Sum', { FunctionName: names.functionName(name) }),
        ),
        threshold: 0,
        unit: '',
        periodSeconds: 5 * MINUTE,
        ...(rare ? { bad: 1, of: 1 } : { bad: 3, of: 3 }),
      });
    });
  const dead = Object.entries(QUEUES).map(([queue, { about }]) =>
    metric({
      name: `${queue}-dead-letters`,
      priority: 'P2',
      about: `messages that nobody could use: ${about}`,
      runbook: 'dead-letters',
      signal: series(
        aws('AWS/SQS', 'ApproximateNumberOfMessagesVisible', 'Maximum', {
          QueueName: names.deadQueue(queue),
        }),
      ),
      threshold: 0,
      unit: '',
      periodSeconds: 5 * MINUTE,
      bad: 1,
      of: 1,
    }),
  );
  return [
    ...failing,
    ...dead,
    metric({
      name: 'ticks-dead-letters',
      priority: 'P2',
      about: 'ticks of the clock that could not be handed to their function',
      runbook: 'dead-letters',
      signal: series(
        aws('AWS/SQS', 'ApproximateNumberOfMessagesVisible', 'Maximum', {
          QueueName: names.deadTicks,
        }),
      ),
      threshold: 0,
      unit: '',
      periodSeconds: 5 * MINUTE,
      bad: 1,
      of: 1,
    }),
    metric({
      name: 'lambda-concurrency',
      priority: 'P3',
      about: 'functions use more than 85 % of the executions at a time that the account may have',
      runbook: 'lambda-concurrency',
      signal: math('100 * used / SERVICE_QUOTA(used)', {
        used: aws('AWS/Usage', 'ResourceCount', 'Maximum', {
          Service: 'Lambda',
          Resource: 'ConcurrentExecutions',
          Type: 'Resource',
          Class: 'None',
        }),
      }),
      threshold: 85,
      unit: '%',
      periodSeconds: 5 * MINUTE,
      bad: 2,
      of: 3,
    }),
  ];
}
