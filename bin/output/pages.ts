import { table } from './table.ts';
import type { Terminal } from './terminal.ts';

interface Page<Item> {
  readonly items: readonly Item[];
  readonly next_cursor?: string | null;
}

/** A list as people and programs are shown it: a table, a word where it is empty, and whether there is more. */
export function listed<Item>(
  terminal: Terminal,
  page: Page<Item>,
  say: {
    /** Where there is none. */
    readonly none: string;
    readonly headings: readonly string[];
    readonly row: (item: Item) => readonly string[];
    /** How to see more. */
    readonly more: string;
  },
): void {
  if (terminal.json) {
    terminal.document(page);
    return;
  }
  if (page.items.length === 0) {
    terminal.out(`${say.none}\n`);
    return;
  }
  terminal.out(table(terminal, say.headings, page.items.map(say.row)));
  if ((page.next_cursor ?? null) !== null) {
    terminal.out(`${terminal.style('dim', `and more: ${say.more}`)}\n`);
  }
}

/** What was done, in a sentence for people; programs get the document. */
export function told(terminal: Terminal, document: unknown, sentence: string): void {
  if (terminal.json) terminal.document(document);
  else terminal.out(`${sentence}\n`);
}
