import { createIds } from '#adapters/local/ids.ts';
import { createJsonLog } from '#adapters/local/json-log.ts';
import { createSystemClock } from '#adapters/local/system-clock.ts';
import { createEmfMetrics, type EmfMetrics } from '#adapters/metrics/emf.ts';
import { createPlainCodec } from '#adapters/postgres/payload-codec.ts';
import { createXrayTracer, type XrayTracer } from '#adapters/xray/tracer.ts';
import type { ProgramName } from '#config/functions.ts';
import { metricNamespace } from '#config/metrics.ts';
import { FUNCTION_ENV } from '#config/program-env.ts';
import type { Clock } from '#ports/clock.ts';
import type { Ids } from '#ports/ids.ts';
import type { Log } from '#ports/log.ts';
import type { PayloadCodec } from '#ports/payload-codec.ts';
import { quietConsole } from './quiet-console.ts';

/** What every deployed program has. */
export interface Basics {
  readonly name: ProgramName;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly codec: PayloadCodec;
  readonly log: Log;
  readonly metrics: EmfMetrics;
  readonly tracer: XrayTracer;
}

export function createBasics(name: ProgramName, env: { readonly STAGE: string }): Basics {
  const clock = createSystemClock();
  const write = (line: string): void => void process.stdout.write(line);
  const log = createJsonLog({
    write,
    level: 'info',
    time: () => new Date(clock.now()).toISOString(),
  }).with({ program: name });
  quietConsole(log);
  const metrics = createEmfMetrics({
    namespace: metricNamespace(env.STAGE),
    program: name,
    write,
    now: () => clock.now(),
  });
  const tracer = createXrayTracer({
    name: `cloudflow-${env.STAGE}-${name}`,
    host: name in FUNCTION_ENV ? 'lambda' : 'container',
    now: () => clock.now(),
  });
  return { name, clock, ids: createIds(), codec: createPlainCodec(), log, metrics, tracer };
}
