import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Client } from '#client/client.ts';
import type { Query, ResponseBody } from '#contract/routes.ts';
import type { SealedEvent } from '#core/audit-chain.ts';
import type { JsonObject } from '#core/json.ts';
import type { SignedHead } from '#ports/audit-trail.ts';
import { verifyAudit } from '#services/audit/verify.ts';
import { CliError } from '../cli-error.ts';
import { table } from '../output/table.ts';
import type { Terminal } from '../output/terminal.ts';
import { count, instant, printable } from '../output/text.ts';

type Event = ResponseBody<'listAuditEvents'>['items'][number];

/** As many as a page may have. */
const A_PAGE = 200;

export interface AuditListOptions {
  readonly actor?: string;
  readonly operation?: string;
  readonly target?: string;
  readonly outcome?: NonNullable<Query<'listAuditEvents'>['outcome']>;
  readonly from?: string;
  readonly to?: string;
  readonly limit: number;
}

export async function listAudit(
  terminal: Terminal,
  client: Client,
  options: AuditListOptions,
): Promise<void> {
  const page = await client.listAuditEvents({ query: options });
  if (terminal.json) {
    terminal.document(page);
    return;
  }
  if (page.items.length === 0) {
    terminal.out('nothing is sealed that is like that\n');
    return;
  }
  terminal.out(
    table(
      terminal,
      ['#', 'at (UTC)', 'who', 'did', 'to', 'and'],
      page.items.map((event) => [
        String(event.seq),
        instant(event.at),
        event.actor,
        event.operation,
        event.target ?? '',
        event.code === null ? event.outcome : `${event.outcome}: ${event.code}`,
      ]),
    ),
  );
  if (page.next_cursor !== null) {
    terminal.out(`${terminal.style('dim', 'and more: use --limit, --to or a filter')}\n`);
  }
}

/** Every event, oldest first, one JSON document a line: it holds all that verifying needs. */
export async function exportAudit(
  terminal: Terminal,
  client: Client,
  options: Omit<AuditListOptions, 'limit'>,
): Promise<void> {
  for await (const event of eventsOf(client, options)) {
    terminal.out(`${JSON.stringify(event)}\n`);
  }
}

/**
 * Computes the whole chain anew, here, from what the API answers, and holds it against the signed heads:
 * those that the API answers, or those of a copy of the archive, which nobody can change.
 */
export async function verify(
  terminal: Terminal,
  client: Client,
  options: { readonly archive?: string },
): Promise<boolean> {
  const { tenant_id: tenant } = await client.whoAmI();
  const heads =
    options.archive === undefined ? headsOf(client, tenant) : archived(options.archive, tenant);
  const { events, signedTo, problem } = await verifyAudit(
    tenant,
    sealed(eventsOf(client, {})),
    heads,
  );
  const unsigned = events - signedTo;
  if (terminal.json) {
    terminal.document({ ok: problem === null, events, signed_to: signedTo, problem });
  } else if (problem === null) {
    const not = options.archive === undefined ? 'not yet signed' : 'not signed in this copy';
    const more = unsigned === 0 ? '' : `, the last ${count(unsigned, 'event')} ${not}`;
    terminal.out(`${count(events, 'event')}, each as it was sealed${more}\n`);
  } else {
    const what = printable(problem.what);
    terminal.out(
      problem.of === 'event'
        ? `event ${problem.seq} is the first that is wrong: ${what}\n${count(events, 'event')} before it: as they were sealed\n`
        : `the signed end at event ${problem.seq} is wrong: ${what}\n${count(signedTo, 'event')} before it: as they were signed; those after them prove nothing without it\n`,
    );
  }
  return problem === null;
}

async function* eventsOf(
  client: Client,
  filter: Omit<AuditListOptions, 'limit'>,
): AsyncGenerator<Event> {
  let cursor: string | null = null;
  do {
    const query: Query<'listAuditEvents'> = {
      ...filter,
      order: 'oldest',
      limit: A_PAGE,
      ...(cursor === null ? {} : { cursor }),
    };
    const page: ResponseBody<'listAuditEvents'> = await client.listAuditEvents({ query });
    yield* page.items;
    cursor = page.next_cursor;
  } while (cursor !== null);
}

async function* sealed(events: AsyncIterable<Event>): AsyncGenerator<SealedEvent> {
  for await (const { seq, hash, content, personal } of events) {
    yield { seq, hash, content, personal: personal as JsonObject | null };
  }
}

async function* headsOf(client: Client, tenant: string): AsyncGenerator<SignedHead> {
  let cursor: string | null = null;
  do {
    const query: Query<'listAuditHeads'> = {
      limit: A_PAGE,
      ...(cursor === null ? {} : { cursor }),
    };
    const page: ResponseBody<'listAuditHeads'> = await client.listAuditHeads({ query });
    for (const head of page.items) yield { ...head, tenant, at: Date.parse(head.at) };
    cursor = page.next_cursor;
  } while (cursor !== null);
}

/** A head as the archive names it; a laptop's ends with what ends its files. */
const HEAD = /^\d{12}\.json~?$/;

/**
 * `folder` holds what the archive holds: `<tenant>/heads/<place>.json`. Without a head there is nothing
 * to hold anything against, so none is as bad as a wrong one.
 */
async function* archived(folder: string, tenant: string): AsyncGenerator<SignedHead> {
  const heads = join(folder, tenant, 'heads');
  let names: string[];
  try {
    names = (await readdir(heads)).filter((name) => HEAD.test(name)).sort();
  } catch (error) {
    throw unreadable(`no heads of ${tenant} in ${folder}: ${(error as Error).message}`);
  }
  if (names.length === 0) throw unreadable(`no heads of ${tenant} in ${folder}: ${heads} has none`);
  for (const name of names) yield await headIn(join(heads, name));
}

async function headIn(file: string): Promise<SignedHead> {
  const text = await readFile(file, 'utf8');
  // the first line of a laptop's file is its type
  const json = file.endsWith('~') ? text.slice(text.indexOf('\n') + 1) : text;
  try {
    const head = JSON.parse(json) as SignedHead | null;
    if (head !== null && typeof head === 'object' && Number.isInteger(head.seq)) return head;
  } catch {
    // said below
  }
  throw unreadable(`${file} holds no signed head: it was altered, or copied in part`);
}

function unreadable(message: string): CliError {
  return new CliError('usage', 'FILE_UNREADABLE', message);
}
