import { ALARMS, DASHBOARDS, SIGNALS, WHO_IS_WOKEN } from './alarms.ts';
import { DOORS } from './doors.ts';
import { DESCRIBED, ONCE } from './groups.ts';
import { NOTICES } from './notices.ts';
import { PERMISSIONS } from './permissions.ts';
import { FUNCTIONS, VARIABLES } from './programs.ts';
import { DRILLS_ONCE, DRILLS_STOP, PLATFORM_CLOCKS, PLATFORM_MACHINES } from './recovery.ts';
import { DOOR, GATEWAY_PERMISSIONS, ROUTES, THROTTLED } from './routes.ts';
import { DISKS, PROVIDERS, SCALING } from './scaling.ts';
import { SEALED } from './sealed.ts';
import { SECRETS } from './secrets.ts';
import { SOCKETS } from './sockets.ts';
import { TRANSPORT } from './transport.ts';
import { QUEUES_WITH_DEAD_LETTERS, TICKS, TOPICS_OF_THE_LOG, TRIGGERS } from './triggers.ts';
import type { Rule } from './view.ts';

/**
 * What templates owe the code that runs on them. `stacks.test.ts` holds every stage to each of these;
 * `mutations.test.ts` takes things away and holds the rules to noticing it by name.
 */
export const RULES: readonly Rule[] = [
  FUNCTIONS,
  VARIABLES,
  PERMISSIONS,
  ROUTES,
  DOOR,
  THROTTLED,
  GATEWAY_PERMISSIONS,
  SOCKETS,
  TRIGGERS,
  TICKS,
  PLATFORM_MACHINES,
  PLATFORM_CLOCKS,
  DRILLS_STOP,
  DRILLS_ONCE,
  QUEUES_WITH_DEAD_LETTERS,
  TOPICS_OF_THE_LOG,
  SCALING,
  DISKS,
  PROVIDERS,
  DESCRIBED,
  ONCE,
  TRANSPORT,
  ALARMS,
  SIGNALS,
  WHO_IS_WOKEN,
  NOTICES,
  SECRETS,
  SEALED,
  ...DOORS,
  DASHBOARDS,
];
