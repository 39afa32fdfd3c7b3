import { type Client, itemsOf } from '#client/client.ts';
import { listed } from '../output/pages.ts';
import { table } from '../output/table.ts';
import type { Terminal } from '../output/terminal.ts';
import { count, duration, instant, printable, wrap } from '../output/text.ts';
import { createTimeline } from '../output/timeline.ts';
import { type Execution, ending, follow } from './follow.ts';
import { parseLabels } from './run.ts';

type Summary = Awaited<ReturnType<Client['listExecutions']>>['items'][number];

export interface ListOptions {
  readonly status?: Summary['status'];
  readonly workflow?: string;
  readonly label?: readonly string[];
  readonly text?: string;
  readonly held?: true;
  readonly from?: string;
  readonly to?: string;
  readonly cursor?: string;
  readonly limit: number;
}

/** `cloudflow executions`. Where nobody said how wide the reader is, nothing is cut. */
export async function list(
  terminal: Terminal,
  client: Client,
  options: ListOptions,
): Promise<void> {
  parseLabels(options.label ?? []);
  const { items, next_cursor } = await client.listExecutions({
    query: {
      limit: options.limit,
      ...(options.status === undefined ? {} : { status: options.status }),
      ...(options.workflow === undefined ? {} : { workflow_id: options.workflow }),
      ...(options.label === undefined ? {} : { label: [...options.label] }),
      ...(options.text === undefined ? {} : { text: options.text }),
      ...(options.held === undefined ? {} : { held: options.held }),
      ...(options.from === undefined ? {} : { from: options.from }),
      ...(options.to === undefined ? {} : { to: options.to }),
      ...(options.cursor === undefined ? {} : { cursor: options.cursor }),
    },
  });
  if (terminal.json) terminal.document({ items, next_cursor });
  else if (items.length === 0) terminal.out('no executions\n');
  else {
    terminal.out(table(terminal, HEADINGS, items.map(row)));
    if (next_cursor !== null) {
      const more = `the newest ${count(items.length, 'execution')}; --limit shows more`;
      terminal.out(`${terminal.style('dim', more)}\n`);
    }
  }
}

const HEADINGS = ['id', 'status', 'created (UTC)', 'took', 'runtime', 'workflow'];

function row(item: Summary): string[] {
  const runs = item.ended_at === null;
  return [
    item.id,
    runs && item.phase !== null && item.phase !== 'running'
      ? `${item.status} ${item.phase}`
      : item.status,
    instant(item.created_at),
    item.ended_at === null ? '' : duration(Date.parse(item.ended_at) - Date.parse(item.created_at)),
    item.runtime,
    `${item.workflow_id} ${item.version}`,
  ];
}

/** `cloudflow show`: what happened, why it waits, how it ended. */
export async function show(
  terminal: Terminal,
  client: Client,
  id: string,
  options: { readonly follow?: boolean },
): Promise<boolean> {
  const execution = await client.getExecution({ execution_id: id });
  if (!terminal.json) terminal.out(header(terminal, execution));
  if (options.follow === true) return follow(terminal, client, id);
  const timeline = createTimeline(terminal);
  const events: object[] = [];
  const pages = (cursor: string | undefined) =>
    client.listEvents({ execution_id: id, query: cursor === undefined ? {} : { cursor } });
  for await (const event of itemsOf(pages)) {
    if (terminal.json) events.push(event);
    else terminal.out(timeline.draw(event));
  }
  if (terminal.json) terminal.document({ ...execution, events });
  else terminal.out(`${waitsText(terminal, execution)}${ending(terminal, execution)}`);
  return true;
}

/** `cloudflow steps`: how each step stands; with --json what it answered, too. */
export async function steps(
  terminal: Terminal,
  client: Client,
  execution_id: string,
  query: { readonly limit: number },
): Promise<void> {
  listed(terminal, await client.listSteps({ execution_id, query }), {
    none: 'no step of it has begun',
    headings: ['step', 'type', 'status', 'tries', 'took', 'what'],
    row: ({ step, type, status, phase, attempts, started_at, ended_at, error, reason }) => [
      step,
      type ?? '',
      ended_at === null && phase !== null ? `${status} ${phase}` : status,
      String(attempts),
      started_at === null || ended_at === null
        ? ''
        : duration(Date.parse(ended_at) - Date.parse(started_at)),
      error === null ? (reason ?? '') : `${error.code}: ${error.message}`,
    ],
    more: '--limit shows others',
  });
}

function waitsText(terminal: Terminal, { waits }: Execution): string {
  if (waits.length === 0) return '';
  const rows = waits.map(({ step, reason, detail }) => [step ?? '(execution)', reason, detail]);
  return `\n${terminal.style('bold', 'why it waits')}\n${table(terminal, ['step', 'reason', 'detail'], rows)}`;
}

function header(terminal: Terminal, execution: Execution): string {
  const { workflow_id, version, status, phase, runtime, ended_at } = execution;
  const labels = Object.entries(execution.labels).map(([name, value]) => `${name}:${value}`);
  const doing = phase === null || ended_at !== null || phase === 'running' ? '' : ` (${phase})`;
  const notes = [
    `${execution.id}  created ${instant(execution.created_at)} UTC${labels.length === 0 ? '' : `  ${labels.join(' ')}`}`,
    ...(execution.retry_of === null ? [] : [`a retry of ${execution.retry_of}`]),
    ...(execution.parent === null
      ? []
      : [`a child of ${execution.parent.execution_id}, step ${execution.parent.step}`]),
  ].flatMap((note) => wrap(printable(note), terminal.width));
  const title = terminal.style('bold', printable(`${workflow_id} ${version}`));
  return [
    `${title}  ${status}${doing} on ${runtime}`,
    ...notes.map((note) => terminal.style('dim', note)),
    '',
    '',
  ].join('\n');
}
