import type { Terminal } from './terminal.ts';
import { cutTo, printable, wrap } from './text.ts';

const GAP = 2;
/** A last column narrower than this says nothing: the rows become blocks instead. */
const LAST_AT_LEAST = 32;

/**
 * Rows under headings, the last column cut to what the width leaves. Where even that is too little,
 * each row becomes a block: its first cell whole, the others below it with their headings.
 */
export function table(
  terminal: Terminal,
  headings: readonly string[],
  rows: readonly (readonly string[])[],
): string {
  const cells = rows.map((row) => row.map(printable));
  const widths = headings.map((heading, i) =>
    Math.max(heading.length, ...cells.map((row) => [...(row[i] ?? '')].length)),
  );
  const last = headings.length - 1;
  const before = widths.slice(0, last).reduce((sum, width) => sum + width + GAP, 0);
  const room = terminal.width - before;
  if (room < Math.min(LAST_AT_LEAST, widths[last] ?? 0)) {
    return cells.map((row) => block(terminal, headings, row)).join('');
  }
  const line = (row: readonly string[]): string =>
    row
      .map((cell, i) =>
        i === last
          ? cutTo(cell, room)
          : cell + ' '.repeat((widths[i] ?? 0) - [...cell].length + GAP),
      )
      .join('')
      .trimEnd();
  return [terminal.style('dim', line(headings)), ...cells.map(line)]
    .map((text) => `${text}\n`)
    .join('');
}

function block(terminal: Terminal, headings: readonly string[], row: readonly string[]): string {
  const [first = '', ...others] = row;
  const room = terminal.width - GAP;
  const lines: string[] = [];
  for (const [i, cell] of others.entries()) {
    if (cell === '') continue;
    const pair = `${headings[i + 1]}: ${cell}`;
    const beside = `${lines.at(-1)}${' '.repeat(GAP)}${pair}`;
    if (lines.length > 0 && beside.length <= room) lines[lines.length - 1] = beside;
    else lines.push(...wrap(pair, room));
  }
  const below = lines.map((line) => terminal.style('dim', `${' '.repeat(GAP)}${line}`));
  return [...wrap(first, terminal.width), ...below].map((line) => `${line}\n`).join('');
}
