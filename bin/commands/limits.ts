import type { Client } from '#client/client.ts';
import { durationMs, formatDuration } from '#core/dsl/durations.ts';
import { CliError } from '../cli-error.ts';
import { table } from '../output/table.ts';
import type { Terminal } from '../output/terminal.ts';
import { instant } from '../output/text.ts';

type Limits = Awaited<ReturnType<Client['getLimits']>>;
type SetBody = Parameters<Client['setLimits']>[0]['body'];

export interface LimitOptions {
  readonly concurrency?: number;
  /** `100/1m`. */
  readonly starts?: string;
  readonly maxWaiting?: number;
  readonly none?: true;
}

/** `cloudflow limits`: shows them, or sets them where an option says what. */
export async function limits(
  terminal: Terminal,
  client: Client,
  workflow: string | undefined,
  options: LimitOptions,
): Promise<void> {
  const body = bodyOf(options);
  const found =
    workflow === undefined
      ? body === null
        ? await client.getLimits({})
        : await client.setLimits({ body, ifMatch: '*' })
      : body === null
        ? await client.getWorkflowLimits({ workflow_id: workflow })
        : await client.setWorkflowLimits({ workflow_id: workflow, body, ifMatch: '*' });
  if (terminal.json) terminal.document(found);
  else terminal.out(text(terminal, workflow ?? 'all workflows together', found));
}

/** Null: nothing is to be set. */
function bodyOf({ concurrency, starts, maxWaiting, none }: LimitOptions): SetBody | null {
  const said = concurrency !== undefined || starts !== undefined || maxWaiting !== undefined;
  if (none === true && said) {
    throw new CliError('usage', 'USAGE', '--none takes every limit away; it stands alone');
  }
  if (!said) return none === true ? {} : null;
  return {
    ...(concurrency === undefined ? {} : { concurrency }),
    ...(starts === undefined ? {} : { starts: parseStarts(starts) }),
    ...(maxWaiting === undefined ? {} : { max_waiting: maxWaiting }),
  };
}

function parseStarts(given: string): NonNullable<SetBody['starts']> {
  const [, count, per] = /^(\d{1,6})\/(\w+)$/.exec(given) ?? [];
  const ms = durationMs(per);
  if (count === undefined || ms === null || ms % 1_000 !== 0) {
    throw new CliError(
      'usage',
      'USAGE',
      `--starts ${given} is not a number and a span of whole seconds, such as 100/1m`,
    );
  }
  return { count: Number(count), per_seconds: ms / 1_000 };
}

function text(terminal: Terminal, whose: string, found: Limits): string {
  const { declared, set, running, waiting, oldest_waiting } = found;
  const rows = [
    ...(declared === null ? [] : [['the definition', ...cells(declared)]]),
    ...(set === null ? [] : [[`set by ${set.by}`, ...cells(set)]]),
  ];
  const since = oldest_waiting === null ? '' : `, the first since ${instant(oldest_waiting)} UTC`;
  const used = `${running} run, ${waiting} wait to begin${since}`;
  const said =
    rows.length === 0
      ? 'no limits\n'
      : table(terminal, ['says', 'at once', 'begin', 'may wait'], rows);
  return `${terminal.style('bold', whose)}  ${used}\n${said}`;
}

function cells({ concurrency, starts, max_waiting }: NonNullable<Limits['declared']>): string[] {
  return [
    concurrency === null ? 'any' : String(concurrency),
    starts === null ? 'any' : `${starts.count} in ${formatDuration(starts.per_seconds * 1_000)}`,
    max_waiting === null ? '10000' : String(max_waiting),
  ];
}
