import type { Client } from '#client/client.ts';
import type { Body } from '#contract/routes.ts';
import { CliError } from '../cli-error.ts';
import { parseDefinition, readInput, readSource } from '../input.ts';
import type { Terminal } from '../output/terminal.ts';
import { printable, wrap } from '../output/text.ts';
import { follow } from './follow.ts';
import { storeDefinition } from './workflows.ts';

export interface RunOptions {
  readonly input?: string;
  readonly runtime?: 'auto' | 'engine' | 'step_functions';
  readonly label?: readonly string[];
  readonly priority?: number;
  readonly idempotencyKey?: string;
  readonly detach?: boolean;
}

/** `cloudflow run FILE`: stores the definition, starts it and follows it to its end. */
export async function run(
  terminal: Terminal,
  client: Client,
  path: string,
  options: RunOptions,
): Promise<boolean> {
  if (path === '-' && options.input === '-') {
    throw new CliError('usage', 'USAGE', 'definition and input cannot both come from stdin');
  }
  const file = readSource(path);
  const definition = parseDefinition(file);
  // What can be wrong with the words is found before anything is stored.
  const body = bodyOf(options);
  const { workflow_id, version } = await storeDefinition(client, file, definition);
  return begin(terminal, client, workflow_id, { ...body, version }, options);
}

/** `cloudflow workflow start WORKFLOW`: starts what is stored and follows it to its end. */
export async function startStored(
  terminal: Terminal,
  client: Client,
  workflow_id: string,
  options: RunOptions & { readonly version?: string },
): Promise<boolean> {
  const { version } = options;
  const body = { ...bodyOf(options), ...(version === undefined ? {} : { version }) };
  return begin(terminal, client, workflow_id, body, options);
}

function bodyOf({ input, runtime, label, priority }: RunOptions): Body<'executeWorkflow'> {
  return {
    input: readInput(input),
    ...(runtime === undefined ? {} : { runtime }),
    ...(label === undefined ? {} : { labels: parseLabels(label) }),
    ...(priority === undefined ? {} : { priority }),
  };
}

async function begin(
  terminal: Terminal,
  client: Client,
  workflow_id: string,
  body: Body<'executeWorkflow'>,
  options: Pick<RunOptions, 'detach' | 'idempotencyKey'>,
): Promise<boolean> {
  const { idempotencyKey } = options;
  const accepted = await client.executeWorkflow({
    workflow_id,
    body,
    ...(idempotencyKey === undefined ? {} : { idempotencyKey }),
  });
  if (options.detach === true) {
    if (terminal.json) terminal.document(accepted);
    else terminal.out(`${accepted.execution_id}\n`);
    return true;
  }
  if (!terminal.json) {
    const { version, runtime, runtime_reason, execution_id } = accepted;
    const reason = runtime_reason === null ? '' : ` (${runtime_reason})`;
    const title = `${terminal.style('bold', `${workflow_id} ${version}`)}  ${execution_id}`;
    const where = wrap(printable(`on ${runtime}${reason}`), terminal.width);
    terminal.out(`${title}\n${terminal.style('dim', where.join('\n'))}\n\n`);
  }
  return follow(terminal, client, accepted.execution_id);
}

export function parseLabels(labels: readonly string[]): { readonly [name: string]: string } {
  return Object.fromEntries(
    labels.map((label) => {
      const colon = label.indexOf(':');
      if (colon < 1) {
        throw new CliError('usage', 'USAGE', `label '${label}' is not of the form name:value`);
      }
      return [label.slice(0, colon), label.slice(colon + 1)];
    }),
  );
}
