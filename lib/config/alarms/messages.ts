import { CONSUMERS, consumerNames } from '../consumers.ts';
import { math, ours, series } from '../signals.ts';
import type { StageSettings } from '../stage-settings.ts';
import { relayedTopics } from '../topics.ts';
import { type Alarm, MINUTE, metric } from './alarm.ts';

/** What becomes of single messages: that they leave the outbox, and that readers can use them. */
export function messageAlarms({ stage }: StageSettings): readonly Alarm[] {
  const groups = [...consumerNames.map((name) => CONSUMERS[name].group), 'relay'];
  return [
    metric({
      name: 'outbox-lag',
      priority: 'P2',
      about: 'events wait in the outbox for more than a minute: nobody relays or reads them',
      runbook: 'outbox-lag',
      signal: math(
        'MAX(METRICS())',
        Object.fromEntries(
          relayedTopics.map((Topic, i) => [
            `topic${i}`,
            ours(stage, 'OutboxLag', 'Maximum', { Topic }),
          ]),
        ),
      ),
      threshold: 60,
      unit: 's',
      periodSeconds: MINUTE,
      bad: 3,
      of: 3,
    }),
    metric({
      name: 'outbox-days-kept',
      priority: 'P2',
      about:
        'a day of the outbox is a week old and was not relayed: it is kept, and the database grows',
      runbook: 'outbox-lag',
      signal: series(ours(stage, 'OutboxDaysKept', 'Maximum', {})),
      threshold: 0,
      unit: '',
      periodSeconds: 5 * MINUTE,
      bad: 1,
      of: 1,
    }),
    metric({
      name: 'events-laid-aside',
      priority: 'P2',
      about: 'readers of events have laid messages aside that they could not use',
      runbook: 'events-laid-aside',
      signal: math(
        'SUM(METRICS())',
        Object.fromEntries(
          groups.map((Group, i) => [`group${i}`, ours(stage, 'DeadLettersLaid', 'Sum', { Group })]),
        ),
      ),
      threshold: 0,
      unit: '',
      periodSeconds: 5 * MINUTE,
      bad: 1,
      of: 1,
    }),
    metric({
      name: 'events-laid-aside-due',
      priority: 'P2',
      about: 'messages that were laid aside are due within an hour, and nobody has seen to them',
      runbook: 'events-laid-aside',
      signal: series(ours(stage, 'DeadLettersNearDue', 'Maximum', {})),
      threshold: 0,
      unit: '',
      periodSeconds: 5 * MINUTE,
      bad: 1,
      of: 1,
    }),
  ];
}
