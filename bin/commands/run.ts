import type { Client } from '#client/client.ts';
import { hasErrorCode } from '#core/errors.ts';
import { CliError } from '../cli-error.ts';
import { parseDefinition, readInput, readSource } from '../input.ts';
import { placed } from '../output/problems.ts';
import type { Terminal } from '../output/terminal.ts';
import { printable, wrap } from '../output/text.ts';
import { follow } from './follow.ts';

export interface RunOptions {
  readonly input?: string;
  readonly runtime?: 'auto' | 'engine' | 'step_functions';
  readonly label?: readonly string[];
  readonly priority?: number;
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
  const input = readInput(options.input);
  const labels = parseLabels(options.label ?? []);
  let stored: Awaited<ReturnType<Client['createWorkflow']>>;
  try {
    stored = await client.createWorkflow({ body: definition });
  } catch (error) {
    if (!hasErrorCode(error, 'WORKFLOW_INVALID')) throw error;
    throw new CliError('failed', 'WORKFLOW_INVALID', `${file.name} is not a valid definition`, {
      file,
      problems: error.problems.map((problem) => placed(file, problem)),
    });
  }
  const accepted = await client.executeWorkflow({
    workflow_id: stored.workflow_id,
    body: {
      input,
      version: stored.version,
      ...(options.runtime === undefined ? {} : { runtime: options.runtime }),
      ...(options.label === undefined ? {} : { labels }),
      ...(options.priority === undefined ? {} : { priority: options.priority }),
    },
  });
  if (options.detach === true) {
    if (terminal.json) terminal.document(accepted);
    else terminal.out(`${accepted.execution_id}\n`);
    return true;
  }
  if (!terminal.json) {
    const { workflow_id, version, runtime, runtime_reason, execution_id } = accepted;
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
