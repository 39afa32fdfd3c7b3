import type { Client } from '#client/client.ts';
import type { Terminal } from '../output/terminal.ts';

type Summary = Awaited<ReturnType<Client['pauseWorkflow']>>;

export async function pauseWorkflow(
  terminal: Terminal,
  client: Client,
  id: string,
  { reason }: { readonly reason?: string },
): Promise<void> {
  const body = reason === undefined ? {} : { reason };
  say(
    terminal,
    await client.pauseWorkflow({ workflow_id: id, body }),
    'paused; new executions wait',
  );
}

export async function resumeWorkflow(
  terminal: Terminal,
  client: Client,
  id: string,
): Promise<void> {
  say(terminal, await client.resumeWorkflow({ workflow_id: id }), 'resumed; what waited begins');
}

function say(terminal: Terminal, summary: Summary, what: string): void {
  if (terminal.json) terminal.document(summary);
  else terminal.out(`${summary.workflow_id}  ${what}\n`);
}
