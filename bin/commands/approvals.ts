import type { Client } from '#client/client.ts';
import { table } from '../output/table.ts';
import type { Terminal } from '../output/terminal.ts';
import { instant, printable } from '../output/text.ts';

/** `cloudflow approve` without an id: what waits for an answer. */
export async function approvals(terminal: Terminal, client: Client): Promise<void> {
  const page = await client.listApprovals({ query: { status: 'pending' } });
  if (terminal.json) terminal.document(page);
  else if (page.items.length === 0) terminal.out('nothing waits for an approval\n');
  else {
    terminal.out(
      table(
        terminal,
        ['id', 'due (UTC)', 'assignee', 'workflow', 'step', 'message'],
        page.items.map((item) => [
          item.id,
          instant(item.due_at),
          item.assignees.join(', '),
          item.workflow_id,
          item.step,
          item.message ?? '',
        ]),
      ),
    );
    if (page.next_cursor !== null) {
      terminal.out(`${terminal.style('dim', 'and more: answer some of these first')}\n`);
    }
  }
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
  if (terminal.json) {
    terminal.document(approval);
    return;
  }
  const by = approval.answer === null ? '' : ` by ${approval.answer.by}`;
  terminal.out(
    `${printable(`${approval.status}${by}: ${approval.workflow_id}, step ${approval.step}, execution ${approval.execution_id}`)}\n`,
  );
}
