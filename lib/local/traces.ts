import { createXrayTracer } from '#adapters/xray/tracer.ts';
import type { Clock } from '#ports/clock.ts';
import { NO_TRACER, type Tracer } from '#ports/tracer.ts';

/** Tells a daemon of X-Ray what is traced; without one, traces pass through. Closed with the others. */
export function openTracer(
  daemon: string | undefined,
  realClock: Clock,
  onStop: (undo: () => Promise<void>) => void,
): Tracer {
  if (daemon === undefined || daemon === '') return NO_TRACER;
  const tracer = createXrayTracer({
    name: 'cloudflow-local',
    host: 'container',
    now: () => realClock.now(),
    environment: { AWS_XRAY_DAEMON_ADDRESS: daemon },
  });
  onStop(async () => {
    await tracer.settled();
    tracer.close();
  });
  return tracer;
}
