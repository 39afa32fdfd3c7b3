import { createIntegrityReader } from '#adapters/postgres/integrity-reader.ts';
import { readEnv } from '#config/env.ts';
import { METRICS } from '#config/metrics.ts';
import { restoredPrefix } from '#config/recovery.ts';
import { readStage } from '#config/stages.ts';
import { checkIntegrity, type IntegrityReport } from '#services/operations/integrity.ts';
import { isRestoredHost } from '#services/operations/restored-host.ts';
import { openPools } from '../shared/database.ts';
import { invoked } from '../shared/invoked.ts';
import { createBasics } from '../shared/process.ts';

const env = readEnv('integrity', process.env);
const basics = createBasics('integrity', env);
const prefix = restoredPrefix(readStage(env.STAGE));

/** What a schedule sends has none of these: then a sample of the day is drawn from the database itself. */
interface IntegrityEvent {
  /** A cluster that was restored from it; absent: the database itself. */
  readonly host?: string;
  readonly executions?: number;
  readonly seed?: number;
}

const SAMPLE = 500;
/** Less than the function has. */
const WITHIN_MS = 600_000;
const DAY_MS = 86_400_000;

/** Holds executions against their logs. What is wrong is an answer; a rejection says nothing of it. */
async function check(event: IntegrityEvent): Promise<IntegrityReport> {
  const url = new URL(env.DATABASE_URL);
  if (event.host !== undefined) {
    if (!isRestoredHost(event.host, url.hostname, prefix)) {
      throw new TypeError(`the host is neither the database nor one named ${prefix}`);
    }
    url.hostname = event.host;
  }
  const open = openPools(basics, { ...env, DATABASE_URL: url.href });
  const reader = createIntegrityReader({
    pool: open('cloudflow_auditor', 1),
    codec: basics.codec,
  });
  try {
    const report = await checkIntegrity(
      { reader, clock: basics.clock },
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
}

export const handler = invoked(basics, check);
