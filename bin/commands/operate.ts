import type { Client } from '#client/client.ts';
import { CliError } from '../cli-error.ts';
import { readInput } from '../input.ts';
import { table } from '../output/table.ts';
import type { Terminal } from '../output/terminal.ts';
import { count, instant, printable } from '../output/text.ts';
import { follow } from './follow.ts';

type Summary = Awaited<ReturnType<Client['cancelExecution']>>;

/** Whoever typed a command looks next, and should see what became of it. */
const HEARD = { wait: true } as const;

export interface CancelOptions {
  readonly compensate?: boolean;
  readonly reason?: string;
}

export async function cancel(
  terminal: Terminal,
  client: Client,
  id: string,
  { compensate, reason }: CancelOptions,
): Promise<void> {
  const body = {
    ...(compensate === undefined ? {} : { compensate }),
    ...(reason === undefined ? {} : { reason }),
  };
  const summary = await client.cancelExecution({ execution_id: id, body, query: HEARD });
  say(terminal, summary, 'cancel asked for');
}

export async function pause(terminal: Terminal, client: Client, id: string): Promise<void> {
  say(terminal, await client.pauseExecution({ execution_id: id, query: HEARD }), 'pause asked for');
}

export async function resume(terminal: Terminal, client: Client, id: string): Promise<void> {
  say(terminal, await client.resumeExecution({ execution_id: id, query: HEARD }), 'resumed');
}

export async function release(terminal: Terminal, client: Client, id: string): Promise<void> {
  say(terminal, await client.releaseExecution({ execution_id: id }), 'released');
}

export async function listQuarantined(
  terminal: Terminal,
  client: Client,
  query: { readonly limit: number },
): Promise<void> {
  const page = await client.listQuarantined({ query });
  if (terminal.json) {
    terminal.document(page);
    return;
  }
  if (page.items.length === 0) {
    terminal.out('nothing is set aside\n');
    return;
  }
  const rows = page.items.map(({ execution_id, workflow_id, code, reason, at }) => [
    ...[execution_id, printable(workflow_id), code, printable(reason), instant(at)],
  ]);
  terminal.out(table(terminal, ['id', 'workflow', 'code', 'what', 'since (UTC)'], rows));
}

function say(terminal: Terminal, summary: Summary, what: string): void {
  if (terminal.json) terminal.document(summary);
  else terminal.out(`${summary.id}  ${what}\n`);
}

export interface RetryOptions {
  readonly input?: string;
  readonly version?: string;
  readonly runtime?: 'auto' | 'engine' | 'step_functions';
  readonly dryRun?: boolean;
  readonly detach?: boolean;
}

/** Shows what would be carried and what would happen again; without --dry-run does it and follows. */
export async function retry(
  terminal: Terminal,
  client: Client,
  id: string,
  options: RetryOptions,
): Promise<boolean> {
  const body = {
    ...(options.input === undefined ? {} : { input: readInput(options.input) }),
    ...(options.version === undefined ? {} : { version: options.version }),
    ...(options.runtime === undefined ? {} : { runtime: options.runtime }),
  };
  if (options.dryRun === true || !(terminal.json || options.detach === true)) {
    const preview = await client.retryExecution({
      execution_id: id,
      body: { ...body, dry_run: true },
    });
    if (terminal.json) terminal.document(preview);
    else terminal.out(previewText(terminal, id, preview));
    if (options.dryRun === true) return true;
  }
  const started = await client.retryExecution({ execution_id: id, body });
  if (started.execution_id === null) {
    throw new CliError('internal', 'INTERNAL', 'a retry was answered without an execution id');
  }
  if (options.detach === true) {
    if (terminal.json) terminal.document(started);
    else terminal.out(`${started.execution_id}\n`);
    return true;
  }
  if (!terminal.json) terminal.out(`\n${terminal.style('dim', started.execution_id)}\n\n`);
  return follow(terminal, client, started.execution_id);
}

type Preview = Awaited<ReturnType<Client['retryExecution']>>;

function previewText(terminal: Terminal, id: string, preview: Preview): string {
  const plain = (steps: readonly string[]) => steps.map((step) => [step, '']);
  const groups: readonly [string, readonly (readonly string[])[]][] = [
    ['not again: the recorded results are used', plain(preview.carried)],
    [
      'again, and may already have taken effect',
      preview.repeated.map(({ step, attempts, error }) => [
        step,
        `${count(attempts, 'call')} made${error === null ? '' : `, ${error.code}`}`,
      ]),
    ],
    ['again, as it was undone', plain(preview.compensated)],
    ['for the first time', plain(preview.pending)],
  ];
  return [
    `retry of ${id}`,
    `version ${preview.version} on ${preview.runtime}`,
    ...groups.flatMap(([title, rows]) =>
      rows.length === 0
        ? []
        : [
            terminal.style('bold', title),
            ...rows.map((row) => `  ${printable(row.join('  ').trimEnd())}`),
          ],
    ),
  ]
    .map((line) => `${line}\n`)
    .join('');
}
