import type { Client } from '#client/client.ts';
import { table } from '../output/table.ts';
import type { Terminal } from '../output/terminal.ts';
import { count, printable } from '../output/text.ts';
import { parseLabels } from './run.ts';

type Operation = Awaited<ReturnType<Client['getBulkOperation']>>;
type Status = NonNullable<
  NonNullable<Parameters<Client['startBulkOperation']>[0]['body']['filter']>['status']
>;

export interface BulkOptions {
  readonly status?: Status;
  readonly workflow?: string;
  readonly label?: readonly string[];
  readonly text?: string;
  readonly from?: string;
  readonly to?: string;
  readonly limit: number;
  readonly reason?: string;
  readonly compensate?: boolean;
  readonly dryRun?: boolean;
}

export async function startBulk(
  terminal: Terminal,
  client: Client,
  action: Operation['action'],
  options: BulkOptions,
): Promise<void> {
  parseLabels(options.label ?? []);
  const { status, workflow, label, text, from, to, limit, reason, compensate, dryRun } = options;
  const operation = await client.startBulkOperation({
    body: {
      action,
      limit,
      filter: {
        ...(status === undefined ? {} : { status }),
        ...(workflow === undefined ? {} : { workflow_id: workflow }),
        ...(label === undefined ? {} : { label: [...label] }),
        ...(text === undefined ? {} : { text }),
        ...(from === undefined ? {} : { from }),
        ...(to === undefined ? {} : { to }),
      },
      ...(reason === undefined ? {} : { reason }),
      ...(compensate === undefined ? {} : { compensate }),
      ...(dryRun === undefined ? {} : { dry_run: dryRun }),
    },
  });
  if (terminal.json) terminal.document(operation);
  else if (operation.preview !== null) terminal.out(preview(terminal, operation.preview));
  else {
    terminal.out(progress(operation));
    const more = `\`cloudflow bulk show ${operation.id}\` says how far it has got`;
    if (operation.status === 'RUNNING') terminal.out(`${terminal.style('dim', more)}\n`);
  }
}

export async function showBulk(
  terminal: Terminal,
  client: Client,
  id: string | undefined,
): Promise<void> {
  if (id === undefined) {
    const page = await client.listBulkOperations({});
    if (terminal.json) terminal.document(page);
    else terminal.out(page.items.map(progress).join('') || 'no bulk operations\n');
    return;
  }
  const operation = await client.getBulkOperation({ operation_id: id });
  if (terminal.json) terminal.document(operation);
  else {
    terminal.out(progress(operation));
    const rows = operation.refusals.map(({ execution_id, code }) => [execution_id, code]);
    if (rows.length > 0) terminal.out(table(terminal, ['not changed', 'why'], rows));
  }
}

export async function stopBulk(terminal: Terminal, client: Client, id: string): Promise<void> {
  const operation = await client.cancelBulkOperation({ operation_id: id });
  if (terminal.json) terminal.document(operation);
  else terminal.out(progress(operation));
}

function progress(operation: Operation): string {
  const { id, action, status } = operation;
  return `${id}  ${action} ${status}  ${doneBy(operation)}\n`;
}

function doneBy({ status, seen, changed, refused, failed }: Operation): string {
  // Nobody counts beforehand: it is counted as it is looked at.
  if (seen === 0) return status === 'COMPLETED' ? 'no execution was meant' : 'none looked at yet';
  return [
    `${changed} of ${count(seen, 'execution')} changed`,
    ...(refused === 0 ? [] : [`${refused} refused`]),
    ...(failed === 0 ? [] : [`${failed} failed`]),
  ].join(', ');
}

function preview(
  terminal: Terminal,
  { count: counted, more, sample }: NonNullable<Operation['preview']>,
): string {
  const rows = sample.map(({ id, status, workflow_id, version }) => [
    id,
    status,
    printable(`${workflow_id} ${version}`),
  ]);
  const total = `${count(counted, 'execution')}${more ? ', and there are more' : ''}; nothing was changed\n`;
  return rows.length === 0
    ? total
    : `${table(terminal, ['id', 'status', 'workflow'], rows)}${total}`;
}
