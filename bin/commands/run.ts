import type { Client } from '#client/client.ts';
import { hasErrorCode } from '#core/errors.ts';
import { isFinal } from '#core/execution/events.ts';
import { isJsonObject } from '#core/json.ts';
import { CliError } from '../cli-error.ts';
import { parseSource, readInput, readSource } from '../input.ts';
import { formatProblem } from '../output/problems.ts';
import { duration, type Terminal } from '../output/terminal.ts';
import { createTimeline } from '../output/timeline.ts';

const POLL_MS = 200;

export interface RunOptions {
  readonly input?: string;
  readonly runtime?: 'auto' | 'engine' | 'step_functions';
  readonly label?: readonly string[];
  readonly detach?: boolean;
}

/** `cloudflow run FILE`: stores the definition, starts it and follows it to its end. */
export async function run(
  terminal: Terminal,
  client: Client,
  path: string,
  options: RunOptions,
): Promise<boolean> {
  const file = readSource(path);
  const definition = parseSource(file);
  if (!isJsonObject(definition)) {
    throw new CliError(
      'usage',
      `${file.name} holds ${JSON.stringify(definition)?.slice(0, 40)}; a definition is an object`,
    );
  }
  const input = readInput(options.input);
  let stored: Awaited<ReturnType<Client['createWorkflow']>>;
  try {
    stored = await client.createWorkflow({ body: definition });
  } catch (error) {
    if (!hasErrorCode(error, 'WORKFLOW_INVALID')) throw error;
    for (const problem of error.problems)
      terminal.err(formatProblem(terminal, file, problem, 'error'));
    throw new CliError('failed', `${file.name} is not a valid definition`);
  }
  const accepted = await client.executeWorkflow({
    workflow_id: stored.workflow_id,
    body: {
      input,
      version: stored.version,
      ...(options.runtime === undefined ? {} : { runtime: options.runtime }),
      ...(options.label === undefined ? {} : { labels: parseLabels(options.label) }),
    },
  });
  if (options.detach === true) {
    terminal.out(terminal.json ? `${JSON.stringify(accepted)}\n` : `${accepted.execution_id}\n`);
    return true;
  }
  if (!terminal.json) {
    const reason = accepted.runtime_reason === null ? '' : ` (${accepted.runtime_reason})`;
    terminal.out(
      `${terminal.style('bold', `${accepted.workflow_id} ${accepted.version}`)}  on ${accepted.runtime}${reason}\n${terminal.style('dim', accepted.execution_id)}\n`,
    );
  }
  return follow(terminal, client, accepted.execution_id);
}

/** Prints what happens until the execution ends; true when it completed. */
export async function follow(
  terminal: Terminal,
  client: Client,
  executionId: string,
): Promise<boolean> {
  const draw = createTimeline(terminal);
  let seen = 0;
  let cursor: string | undefined;
  let waiting = '';
  for (;;) {
    const execution = await client.getExecution({ execution_id: executionId });
    // The last page has no next cursor, so it is read again from where it began.
    for (;;) {
      const page = await client.listEvents({
        execution_id: executionId,
        query: cursor === undefined ? {} : { cursor },
      });
      for (const event of page.items) {
        if (event.seq <= seen) continue;
        seen = event.seq;
        if (!terminal.json) terminal.out(draw(event));
      }
      if (page.next_cursor === null) break;
      cursor = page.next_cursor;
    }
    if (isFinal(execution.status)) {
      if (terminal.json) terminal.out(`${JSON.stringify(execution)}\n`);
      else printEnd(terminal, execution);
      return execution.status === 'COMPLETED';
    }
    const waits = execution.waits
      .filter((wait) => wait.reason !== 'dependencies' && wait.reason !== 'body')
      .map((wait) => `${wait.step ?? 'execution'}: ${wait.detail}`)
      .join('\n');
    if (waits !== waiting && waits !== '' && !terminal.json && execution.phase === 'waiting') {
      for (const line of waits.split('\n'))
        terminal.out(terminal.style('dim', `            waits  ${line}\n`));
    }
    waiting = waits;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

function printEnd(
  terminal: Terminal,
  execution: Awaited<ReturnType<Client['getExecution']>>,
): void {
  const took =
    execution.ended_at === null
      ? ''
      : ` in ${duration(Date.parse(execution.ended_at) - Date.parse(execution.created_at))}`;
  const colour = execution.status === 'COMPLETED' ? 'green' : 'red';
  terminal.out(`\n${terminal.style(colour, execution.status)}${took}\n`);
  if (execution.error !== null) {
    terminal.out(`${execution.error.code}: ${execution.error.message}\n`);
  }
  if (execution.compensation !== null && execution.compensation !== 'NONE') {
    terminal.out(`compensation: ${execution.compensation}\n`);
  }
  if (execution.status === 'COMPLETED')
    terminal.out(`${JSON.stringify(execution.output, null, 2)}\n`);
}

export function parseLabels(labels: readonly string[]): { readonly [name: string]: string } {
  return Object.fromEntries(
    labels.map((label) => {
      const colon = label.indexOf(':');
      if (colon < 1) throw new CliError('usage', `label '${label}' is not of the form name:value`);
      return [label.slice(0, colon), label.slice(colon + 1)];
    }),
  );
}
