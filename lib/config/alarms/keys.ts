import { PLATFORM_KEYS, platformKeyNames } from '../platform-keys.ts';
import { ours, series } from '../signals.ts';
import type { StageSettings } from '../stage-settings.ts';
import { type Alarm, DAY, metric } from './alarm.ts';

/** Of keys that the platform turns by itself: one says that it is near, the other that it did not happen. */
export function keyAlarms({ stage }: StageSettings): readonly Alarm[] {
  return platformKeyNames.flatMap((name) => {
    const { usedDays, aheadDays } = PLATFORM_KEYS[name];
    const common = {
      runbook: 'platform-keys',
      signal: series(ours(stage, 'PlatformKeyAge', 'Maximum', { Secret: name })),
      unit: '',
      periodSeconds: DAY,
    } as const;
    return [
      metric({
        ...common,
        name: `${name}-due`,
        priority: 'P3',
        about: `the platform turns ${name} by itself within ${aheadDays} days: nothing is to be done`,
        threshold: usedDays - aheadDays,
        bad: 1,
        of: 1,
      }),
      metric({
        ...common,
        name: `${name}-overdue`,
        priority: 'P2',
        about: `${name} has been used for more than ${usedDays} days, or nobody counts: it is not turned`,
        // A turn is on the day itself, at the latest a day after what looked last.
        threshold: usedDays + 2,
        bad: 1,
        of: 1,
        missing: 'bad',
      }),
    ];
  });
}
