import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '#client/client.ts';
import { hasErrorCode } from '#core/errors.ts';
import { isFinal } from '#core/execution/events.ts';
import { CliError } from '../cli-error.ts';
import type { Style, Terminal } from '../output/terminal.ts';
import { duration, jsonText, printable, wrap } from '../output/text.ts';
import { createTimeline, type Timeline } from '../output/timeline.ts';

export type Execution = Awaited<ReturnType<Client['getExecution']>>;

const POLL_MS = 200;
/** A platform that restarts is waited for this long before watching is given up. */
const PATIENCE_MS = 60_000;

/** What has no news for a person: it is as good as running. */
const QUIET_REASONS: ReadonlySet<string> = new Set([
  'dependencies',
  'body',
  'attempt',
  'evaluation',
  'engine',
  'start',
  'deadline',
]);

/** Prints what happens until the execution ends; true when it completed. Ctrl-C only ends watching. */
export async function follow(terminal: Terminal, client: Client, id: string): Promise<boolean> {
  const controller = new AbortController();
  const onInterrupt = () => controller.abort();
  process.once('SIGINT', onInterrupt);
  try {
    const execution = await watch(terminal, client, id, controller.signal);
    if (terminal.json) terminal.document(execution);
    else terminal.out(ending(terminal, execution));
    return execution.status === 'COMPLETED';
  } catch (error) {
    if (!controller.signal.aborted) throw error;
    throw new CliError(
      'interrupted',
      'INTERRUPTED',
      `the execution goes on without you. Watch it: cloudflow show ${id} --follow. End it: cloudflow cancel ${id}`,
    );
  } finally {
    process.off('SIGINT', onInterrupt);
  }
}

async function watch(
  terminal: Terminal,
  client: Client,
  id: string,
  signal: AbortSignal,
): Promise<Execution> {
  const timeline = createTimeline(terminal);
  const news = createNews(client, id, signal);
  let told = '';
  let silentSince: number | null = null;
  for (;;) {
    try {
      // The state is read first: an end that it tells is then also among the events.
      const execution = await client.getExecution({ execution_id: id, signal });
      for await (const event of news()) if (!terminal.json) terminal.out(timeline.draw(event));
      silentSince = null;
      if (isFinal(execution.status)) return execution;
      if (!terminal.json) told = tellWaits(terminal, timeline, execution, told);
    } catch (error) {
      if (signal.aborted || !hasErrorCode(error, 'UNAVAILABLE')) throw error;
      if (silentSince === null && !terminal.json) {
        terminal.out(timeline.note('the platform does not answer; trying again'));
      }
      silentSince ??= performance.now();
      if (performance.now() - silentSince > PATIENCE_MS) throw error;
    }
    await sleep(POLL_MS, undefined, { signal });
  }
}

type Event = Awaited<ReturnType<Client['listEvents']>>['items'][number];

/** Events that were not given before, page by page; the last page is read again from where it began. */
function createNews(
  client: Client,
  id: string,
  signal: AbortSignal,
): () => AsyncGenerator<Event, void> {
  let seen = 0;
  let cursor: string | undefined;
  return async function* news() {
    for (;;) {
      const page = await client.listEvents({
        execution_id: id,
        query: cursor === undefined ? {} : { cursor },
        signal,
      });
      for (const event of page.items) {
        if (event.seq <= seen) continue;
        seen = event.seq;
        yield event;
      }
      if (page.next_cursor === null) return;
      cursor = page.next_cursor;
    }
  };
}

/** Says once what it waits for, when that changes; answers what was said. */
function tellWaits(
  terminal: Terminal,
  timeline: Timeline,
  execution: Execution,
  before: string,
): string {
  const lines = execution.waits
    .filter(({ reason }) => !QUIET_REASONS.has(reason))
    .map(({ step, detail }) => (step === null ? detail : `${step}  ${detail}`));
  const now = lines.join('\n');
  if (now !== before) for (const line of lines) terminal.out(timeline.note(line));
  return now;
}

/** How an execution ended: status, length, error, compensation, output. */
export function ending(terminal: Terminal, execution: Execution): string {
  const { status, error, compensation, created_at, ended_at } = execution;
  if (ended_at === null) return '';
  const colour: Style = status === 'COMPLETED' ? 'green' : status === 'FAILED' ? 'red' : 'yellow';
  const took = duration(Date.parse(ended_at) - Date.parse(created_at));
  const lines = ['', `${terminal.style(colour, status)} in ${took}`];
  if (error !== null) {
    const step = 'step' in error && typeof error.step === 'string' ? `${error.step}  ` : '';
    lines.push(...wrap(printable(`${step}${error.code}: ${error.message}`), terminal.width));
  }
  if (compensation !== null && compensation !== 'NONE') {
    lines.push(
      compensation === 'COMPLETE'
        ? 'what was done has been undone'
        : 'what was done has been undone in part only',
    );
  }
  if (status === 'COMPLETED') lines.push(jsonText(execution.output, 2));
  return `${lines.join('\n')}\n`;
}
