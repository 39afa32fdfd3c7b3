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
  // A pair stays together where it fits: no-break spaces hold it until the lines are made.
  const pairs = others
    .flatMap((cell, i) => {
      const pair = `${headings[i + 1]}: ${cell}`;
      if (cell === '') return [];
      return [pair.length > terminal.width - GAP ? pair : pair.replaceAll(' ', '\u00a0')];
    })
    .join('  ');
  const lines = pairs === '' ? [] : wrap(pairs, terminal.width - GAP);
  return [
    first,
    ...lines.map((line) => terminal.style('dim', `  ${line.replaceAll('\u00a0', ' ')}`)),
  ]
    .map((text) => `${text}\n`)
    .join('');
}
