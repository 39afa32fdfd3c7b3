import { createIntegrityReader } from '#adapters/postgres/integrity-reader.ts';
import { createQuarantine } from '#adapters/postgres/quarantine.ts';
import type { ProgramEnv } from '#config/env.ts';
import { METRICS } from '#config/metrics.ts';
import { checkIntegrity, type IntegrityReport } from '#services/operations/integrity.ts';
import { openPools } from './database.ts';
import type { Basics } from './process.ts';

/** What a schedule sends has none of these: then a sample of the day is drawn from the database itself. */
export interface IntegrityEvent {
  /** Another place than the database that the function is told of. */
  readonly host?: string;
  readonly executions?: number;
  readonly seed?: number;
}

const SAMPLE = 500;
/** Whoever asks waits for the answer, and connections that say nothing are cut after 350 seconds. */
const WITHIN_MS = 240_000;
const DAY_MS = 86_400_000;

/** Holds executions against their logs. What is wrong is an answer; a rejection says nothing of it. */
export function createIntegrityHandler(
  basics: Basics,
  env: ProgramEnv<'integrity'>,
  /** Whether it may log in there, besides at the database that it is told of. */
  mayEnter: (host: string, own: string) => boolean,
): (event: IntegrityEvent) => Promise<IntegrityReport> {
  return async (event) => {
    const url = new URL(env.DATABASE_URL);
    if (event.host !== undefined) {
      if (!mayEnter(event.host, url.hostname)) {
        throw new TypeError('the host is neither the database nor a copy of it');
      }
      url.hostname = event.host;
    }
    const open = openPools(basics, { ...env, DATABASE_URL: url.href });
    const pool = open('cloudflow_auditor', 1);
    const reader = createIntegrityReader({ pool, codec: basics.codec });
    // A copy is looked at and left as it is.
    const quarantine =
      event.host === undefined ? createQuarantine({ pool, ids: basics.ids }) : null;
    try {
      const report = await checkIntegrity(
        { reader, clock: basics.clock, quarantine },
        {
          executions: event.executions ?? SAMPLE,
          seed: event.seed ?? Math.floor(basics.clock.now() / DAY_MS),
          withinMs: WITHIN_MS,
        },
      );
      basics.metrics.add(METRICS.StoreViolations, {}, report.violation_count);
      const seen = { count: report.checked.executions, failures: report.violation_count };
      if (report.ok) basics.log.info('STORE_WHOLE', seen);
      else basics.log.error('STORE_VIOLATED', seen);
      return report;
    } finally {
      await reader.close();
    }
  };
}
