import { createIds } from '#adapters/local/ids.ts';
import { createJsonLog } from '#adapters/local/json-log.ts';
import { createSystemClock } from '#adapters/local/system-clock.ts';
import { createIntegrityReader } from '#adapters/postgres/integrity-reader.ts';
import { createPlainCodec } from '#adapters/postgres/payload-codec.ts';
import { createPool } from '#adapters/postgres/pool.ts';
import { createQuarantine } from '#adapters/postgres/quarantine.ts';
import { checkIntegrity, type IntegrityReport } from '#services/operations/integrity.ts';
import { CliError } from '../cli-error.ts';
import { table } from '../output/table.ts';
import type { Terminal } from '../output/terminal.ts';
import { count } from '../output/text.ts';
import { readStack } from '../session.ts';

export interface IntegrityOptions {
  readonly executions: number | 'all';
  readonly seed: number;
  readonly within: number;
  readonly quarantine?: boolean;
}

/**
 * `cloudflow integrity`: true when what was looked at holds together, and all of it was. The database
 * is the one of DATABASE_URL, which is not an option because it holds a password; else the local stack's.
 */
export async function integrity(
  terminal: Terminal,
  dataDir: string,
  options: IntegrityOptions,
): Promise<boolean> {
  const url = process.env['DATABASE_URL'] ?? readStack(dataDir)?.postgres_url;
  if (url === undefined) {
    throw new CliError(
      'usage',
      'NO_PLATFORM',
      'no database to look at: start a local stack with `cloudflow dev`, or name one with DATABASE_URL',
    );
  }
  const pool = createPool({
    url,
    role: 'cloudflow_auditor',
    max: 2,
    name: 'cloudflow integrity',
    log: createJsonLog({ write: () => {}, level: 'error', time: () => '' }),
  });
  const reader = createIntegrityReader({ pool, codec: createPlainCodec() });
  try {
    const report = await checkIntegrity(
      {
        reader,
        clock: createSystemClock(),
        quarantine:
          options.quarantine === true ? createQuarantine({ pool, ids: createIds() }) : null,
      },
      {
        executions: options.executions,
        seed: options.seed,
        withinMs: options.within * 1_000,
      },
    );
    if (terminal.json) terminal.document(report);
    else terminal.out(textOf(terminal, report));
    return report.ok && report.complete;
  } catch (error) {
    // The driver's own words never hold the password.
    const { message } = error as Error;
    throw new CliError('refused', 'UNAVAILABLE', `the database cannot be read: ${message}`);
  } finally {
    await reader.close();
  }
}

function textOf(terminal: Terminal, report: IntegrityReport): string {
  const { checked, totals } = report;
  const of = `${totals.exact ? '' : 'about '}${totals.executions}`;
  const seen = `${count(checked.executions, 'execution')} of ${of}, ${count(checked.events, 'event')}`;
  const unfinished = report.complete
    ? ''
    : `${terminal.style('yellow', '…')} the time was up before all was looked at; use --within\n`;
  if (report.ok) {
    return `${terminal.style('green', '✓')} ${seen}: rows are what the logs say\n${unfinished}`;
  }
  const rows = report.violations.map(({ execution, kind, message }) => [execution, kind, message]);
  const more = report.violation_count - report.violations.length;
  return [
    `${terminal.style('red', '✗')} ${seen}: ${count(report.violation_count, 'violation')}\n`,
    table(terminal, ['EXECUTION', 'KIND', 'WHAT'], rows),
    report.quarantined > 0 ? `${count(report.quarantined, 'execution')} set aside\n` : '',
    more > 0 ? `and ${more} more\n` : '',
    unfinished,
  ].join('');
}
