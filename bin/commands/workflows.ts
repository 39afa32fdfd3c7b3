import type { Client } from '#client/client.ts';
import type { Terminal } from '../output/terminal.ts';

type Summary = Awaited<ReturnType<Client['resumeWorkflow']>>;

export async function pauseWorkflow(
  terminal: Terminal,
  client: Client,
  id: string,
  { reason }: { readonly reason?: string },
): Promise<void> {
  const body = reason === undefined ? {} : { reason };
  const paused = await client.pauseWorkflow({ workflow_id: id, body });
  const { count } = paused.running;
  say(terminal, paused, `paused; new executions wait, ${count === 0 ? 'none' : count} still run`);
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
