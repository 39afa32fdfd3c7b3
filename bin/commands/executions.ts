import { type Client, itemsOf } from '#client/client.ts';
import { CliError } from '../cli-error.ts';
import { readInput } from '../input.ts';
import { duration, type Terminal, table } from '../output/terminal.ts';
import { createTimeline } from '../output/timeline.ts';
import { follow } from './run.ts';

type Execution = Awaited<ReturnType<Client['getExecution']>>;
type Summary = Awaited<ReturnType<Client['listExecutions']>>['items'][number];

export interface ListOptions {
  readonly status?: Summary['status'];
  readonly workflow?: string;
  readonly label?: readonly string[];
  readonly text?: string;
  readonly limit: number;
}

export async function list(
  terminal: Terminal,
  client: Client,
  options: ListOptions,
): Promise<void> {
  const { items, next_cursor } = await client.listExecutions({
    query: {
      limit: options.limit,
      ...(options.status === undefined ? {} : { status: options.status }),
      ...(options.workflow === undefined ? {} : { workflow_id: options.workflow }),
      ...(options.label === undefined ? {} : { label: [...options.label] }),
      ...(options.text === undefined ? {} : { text: options.text }),
    },
  });
  if (terminal.json) {
    terminal.out(`${JSON.stringify({ items, next_cursor })}\n`);
    return;
  }
  if (items.length === 0) {
    terminal.out('no executions\n');
    return;
  }
  terminal.out(
    table(
      terminal,
      ['id', 'status', 'runtime', 'created', 'took', 'workflow'],
      items.map((item) => [
        item.id,
        item.phase !== null && item.ended_at === null
          ? `${item.status} ${item.phase}`
          : item.status,
        item.runtime,
        item.created_at,
        item.ended_at === null
          ? ''
          : duration(Date.parse(item.ended_at) - Date.parse(item.created_at)),
        `${item.workflow_id} ${item.version}`,
      ]),
    ),
  );
  if (next_cursor !== null)
    terminal.out(terminal.style('dim', `the newest ${items.length}; more with --limit\n`));
}

export async function show(terminal: Terminal, client: Client, id: string): Promise<void> {
  const execution = await client.getExecution({ execution_id: id });
  if (terminal.json) {
    terminal.out(`${JSON.stringify(execution)}\n`);
    return;
  }
  terminal.out(header(terminal, execution));
  const draw = createTimeline(terminal);
  const pages = (cursor: string | undefined) =>
    client.listEvents({ execution_id: id, query: cursor === undefined ? {} : { cursor } });
  for await (const event of itemsOf(pages)) terminal.out(draw(event));
  if (execution.waits.length > 0) {
    terminal.out(`\n${terminal.style('bold', 'why it waits')}\n`);
    terminal.out(
      table(
        terminal,
        ['step', 'reason', 'detail'],
        execution.waits.map((wait) => [wait.step ?? '(execution)', wait.reason, wait.detail]),
      ),
    );
  }
  if (execution.error !== null) {
    terminal.out(`\n${terminal.style('red', execution.error.code)}  ${execution.error.message}\n`);
  }
  if (execution.status === 'COMPLETED') {
    terminal.out(`\n${JSON.stringify(execution.output, null, 2)}\n`);
  }
}

function header(terminal: Terminal, execution: Execution): string {
  const labels = Object.entries(execution.labels).map(([name, value]) => `${name}:${value}`);
  return [
    `${terminal.style('bold', `${execution.workflow_id} ${execution.version}`)}  ${execution.status}${execution.phase === null || execution.ended_at !== null ? '' : ` (${execution.phase})`}  on ${execution.runtime}`,
    terminal.style(
      'dim',
      `${execution.id}  created ${execution.created_at}${labels.length === 0 ? '' : `  ${labels.join(' ')}`}`,
    ),
    ...(execution.retry_of === null
      ? []
      : [terminal.style('dim', `a retry of ${execution.retry_of}`)]),
    ...(execution.parent === null
      ? []
      : [
          terminal.style(
            'dim',
            `a child of ${execution.parent.execution_id}, step ${execution.parent.step}`,
          ),
        ]),
    '',
    '',
  ].join('\n');
}

export async function cancel(
  terminal: Terminal,
  client: Client,
  id: string,
  options: { readonly compensate?: boolean; readonly reason?: string },
): Promise<void> {
  say(
    terminal,
    await client.cancelExecution({ execution_id: id, body: { ...options } }),
    'cancel asked for',
  );
}

export async function pause(terminal: Terminal, client: Client, id: string): Promise<void> {
  say(terminal, await client.pauseExecution({ execution_id: id }), 'pause asked for');
}

export async function resume(terminal: Terminal, client: Client, id: string): Promise<void> {
  say(terminal, await client.resumeExecution({ execution_id: id }), 'resumed');
}

function say(terminal: Terminal, summary: Summary, what: string): void {
  terminal.out(terminal.json ? `${JSON.stringify(summary)}\n` : `${summary.id}  ${what}\n`);
}

export interface RetryOptions {
  readonly input?: string;
  readonly version?: string;
  readonly runtime?: 'auto' | 'engine' | 'step_functions';
  readonly dryRun?: boolean;
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
  if (options.dryRun === true || !terminal.json) {
    const preview = await client.retryExecution({
      execution_id: id,
      body: { ...body, dry_run: true },
    });
    if (terminal.json) {
      terminal.out(`${JSON.stringify(preview)}\n`);
      return true;
    }
    terminal.out(`retry of ${id} with version ${preview.version} on ${preview.runtime}\n`);
    const plain = (steps: readonly string[]) => steps.map((step) => [step, '']);
    printSteps(terminal, 'carried: recorded results are used', plain(preview.carried));
    printSteps(
      terminal,
      'again: was called without a success and may have taken effect',
      preview.repeated.map((step) => [
        step.step,
        `${step.attempts} calls made${step.error === null ? '' : `, ${step.error.code}`}`,
      ]),
    );
    printSteps(terminal, 'again: was undone', plain(preview.compensated));
    printSteps(terminal, 'for the first time', plain(preview.pending));
    if (options.dryRun === true) return true;
  }
  const started = await client.retryExecution({ execution_id: id, body });
  if (started.execution_id === null) {
    throw new CliError('refused', 'the platform answered a retry without an execution id');
  }
  if (!terminal.json) terminal.out(`${terminal.style('dim', started.execution_id)}\n`);
  return follow(terminal, client, started.execution_id);
}

function printSteps(terminal: Terminal, title: string, rows: readonly (readonly string[])[]): void {
  if (rows.length === 0) return;
  terminal.out(`${terminal.style('bold', title)}\n`);
  for (const [step, note] of rows) terminal.out(`  ${step}${note === '' ? '' : `  ${note}`}\n`);
}

export async function approvals(terminal: Terminal, client: Client): Promise<void> {
  const page = await client.listApprovals({ query: { status: 'pending' } });
  if (terminal.json) {
    terminal.out(`${JSON.stringify(page)}\n`);
    return;
  }
  if (page.items.length === 0) {
    terminal.out('nothing waits for an approval\n');
    return;
  }
  terminal.out(
    table(
      terminal,
      ['id', 'due', 'assignee', 'step', 'message'],
      page.items.map((item) => [
        item.id,
        item.due_at,
        item.assignees.join(', '),
        item.step,
        item.message ?? '',
      ]),
    ),
  );
}

export async function answer(
  terminal: Terminal,
  client: Client,
  id: string,
  options: { readonly reject?: boolean; readonly comment?: string },
): Promise<void> {
  const approval = await client.answerApproval({
    approval_id: id,
    body: {
      decision: options.reject === true ? 'rejected' : 'approved',
      ...(options.comment === undefined ? {} : { comment: options.comment }),
    },
  });
  terminal.out(
    terminal.json
      ? `${JSON.stringify(approval)}\n`
      : `${approval.status} by ${approval.answer?.by ?? '?'}: ${approval.workflow_id}, step ${approval.step}\n`,
  );
}
