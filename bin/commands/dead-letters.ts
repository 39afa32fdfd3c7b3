import type { Client } from '#client/client.ts';
import type { Query, ResponseBody } from '#contract/routes.ts';
import { facts } from '../output/facts.ts';
import { table } from '../output/table.ts';
import type { Terminal } from '../output/terminal.ts';
import { instant, printable } from '../output/text.ts';

type DeadLetter = ResponseBody<'getDeadLetter'>;

export interface DeadLetterListOptions {
  readonly status: NonNullable<Query<'listDeadLetters'>['status']>;
  readonly group?: string;
  readonly fingerprint?: string;
  readonly limit: number;
}

export async function listDeadLetters(
  terminal: Terminal,
  client: Client,
  options: DeadLetterListOptions,
): Promise<void> {
  const page = await client.listDeadLetters({ query: options });
  if (terminal.json) {
    terminal.document(page);
    return;
  }
  if (page.items.length === 0) {
    terminal.out(`nothing is ${options.status}\n`);
    return;
  }
  terminal.out(
    table(
      terminal,
      ['id', 'group', 'event', 'error', 'tries', 'due (UTC)'],
      page.items.map((letter) => [
        letter.dead_letter_id,
        letter.group,
        printable(letter.event_type ?? 'no event'),
        errorOf(letter),
        String(letter.attempts),
        instant(letter.due_at),
      ]),
    ),
  );
  if (page.next_cursor !== null) {
    terminal.out(`${terminal.style('dim', 'and more: use --limit or a filter')}\n`);
  }
}

export async function showDeadLetter(
  terminal: Terminal,
  client: Client,
  id: string,
): Promise<void> {
  const letter = await client.getDeadLetter({ dead_letter_id: id });
  if (terminal.json) {
    terminal.document(letter);
    return;
  }
  const { closed_at, closed_by, reason } = letter;
  terminal.out(
    facts(terminal, [
      ['id', letter.dead_letter_id],
      ['status', letter.status],
      ['group', `${letter.group}, which reads ${letter.topic}`],
      ['event', `${letter.event_type ?? 'no event'}, ${letter.event_id}`],
      ['error', [letter.error.name, letter.error.code].filter((each) => each !== null).join(', ')],
      ['tries', String(letter.attempts)],
      ['first', `${instant(letter.first_at)} UTC`],
      ['last', `${instant(letter.last_at)} UTC`],
      ['due', `${instant(letter.due_at)} UTC`],
      ['sent again', letter.redrivable ? 'can be' : 'cannot be'],
      [
        'closed',
        closed_at === null ? null : `${instant(closed_at)} UTC by ${closed_by ?? 'nobody'}`,
      ],
      ['reason', reason],
      ['fingerprint', letter.fingerprint],
    ]),
  );
}

/** Open ones by their cause. */
export async function listPatterns(terminal: Terminal, client: Client): Promise<void> {
  const { items } = await client.listDeadLetterPatterns({ query: { limit: 50 } });
  if (terminal.json) {
    terminal.document({ items });
    return;
  }
  if (items.length === 0) {
    terminal.out('nothing is open\n');
    return;
  }
  terminal.out(
    table(
      terminal,
      ['fingerprint', 'open', 'group', 'event', 'error', 'next due (UTC)'],
      items.map((pattern) => [
        pattern.fingerprint,
        String(pattern.open),
        pattern.group,
        printable(pattern.event_type ?? 'no event'),
        errorOf(pattern),
        instant(pattern.next_due_at),
      ]),
    ),
  );
}

export async function redrive(
  terminal: Terminal,
  client: Client,
  id: string,
  { reason }: { readonly reason?: string },
): Promise<void> {
  const params = { dead_letter_id: id };
  const body = reason === undefined ? {} : { reason };
  tell(terminal, await client.redriveDeadLetter({ ...params, body }));
}

export async function discard(
  terminal: Terminal,
  client: Client,
  id: string,
  { reason }: { readonly reason: string },
): Promise<void> {
  const params = { dead_letter_id: id };
  tell(terminal, await client.discardDeadLetter({ ...params, body: { reason } }));
}

function tell(terminal: Terminal, letter: DeadLetter): void {
  if (terminal.json) terminal.document(letter);
  else terminal.out(`${letter.dead_letter_id} of ${letter.group} was ${letter.status}\n`);
}

function errorOf({ error: { name, code } }: Pick<DeadLetter, 'error'>): string {
  return printable(code ?? name);
}
