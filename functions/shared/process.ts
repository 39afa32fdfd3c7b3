import { createIds } from '#adapters/local/ids.ts';
import { createJsonLog } from '#adapters/local/json-log.ts';
import { createSystemClock } from '#adapters/local/system-clock.ts';
import { createPlainCodec } from '#adapters/postgres/payload-codec.ts';
import type { ProgramName } from '#config/functions.ts';
import type { Clock } from '#ports/clock.ts';
import type { Ids } from '#ports/ids.ts';
import type { Log } from '#ports/log.ts';
import type { PayloadCodec } from '#ports/payload-codec.ts';

/** What every deployed program has. */
export interface Basics {
  readonly name: ProgramName;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly codec: PayloadCodec;
  readonly log: Log;
}

export function createBasics(name: ProgramName): Basics {
  const clock = createSystemClock();
  const log = createJsonLog({
    write: (line) => void process.stdout.write(line),
    level: 'info',
    time: () => new Date(clock.now()).toISOString(),
  }).with({ program: name });
  return { name, clock, ids: createIds(), codec: createPlainCodec(), log };
}
