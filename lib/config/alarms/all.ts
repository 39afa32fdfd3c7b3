import type { StageSettings } from '../stage-settings.ts';
import { type Alarm, isSilent } from './alarm.ts';
import { apiAlarms, objectiveAlarms } from './api.ts';
import { cacheAlarms } from './cache.ts';
import { databaseAlarms } from './database.ts';
import { engineAlarms } from './engine.ts';
import { eventAlarms } from './events.ts';
import { executionAlarms } from './executions.ts';
import { functionAlarms } from './functions.ts';
import { keyAlarms } from './keys.ts';
import { mailAlarms } from './mail.ts';
import { messageAlarms } from './messages.ts';
import { recoveryAlarms } from './recovery.ts';
import { socketAlarms } from './sockets.ts';

/** Every alarm of a stage, where the platform serves. */
export function alarmsOf(settings: StageSettings): readonly Alarm[] {
  const own = [
    ...apiAlarms(settings),
    ...objectiveAlarms(settings),
    ...executionAlarms(settings),
    ...engineAlarms(settings),
    ...functionAlarms(settings),
    ...databaseAlarms(settings),
    ...cacheAlarms(settings),
    ...eventAlarms(settings),
    ...messageAlarms(settings),
    ...socketAlarms(settings),
    ...mailAlarms(settings),
    ...keyAlarms(settings),
    ...recoveryAlarms(settings),
  ];
  const urgent = own.filter((alarm) => alarm.priority === 'P1' && !isSilent(alarm));
  return [
    ...own,
    {
      kind: 'any',
      name: 'p1',
      priority: 'P1',
      about: 'one or more of the alarms that wake somebody at once',
      runbook: 'incident',
      of: urgent.map(({ name }) => name),
    },
  ];
}
