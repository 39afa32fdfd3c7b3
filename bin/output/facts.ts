import type { Terminal } from './terminal.ts';
import { printable, wrap } from './text.ts';

const GAP = 2;

/** Names and what they are, a pair a line, wrapped beside the names; pairs without a text are left out. */
export function facts(
  terminal: Terminal,
  pairs: readonly (readonly [name: string, text: string | null])[],
): string {
  const given = pairs.filter((pair): pair is readonly [string, string] => (pair[1] ?? '') !== '');
  const before = Math.max(0, ...given.map(([name]) => name.length)) + GAP;
  return given
    .flatMap(([name, text]) =>
      wrap(printable(text), terminal.width - before).map((line, i) =>
        i === 0
          ? `${terminal.style('bold', name)}${' '.repeat(before - name.length)}${line}\n`
          : `${' '.repeat(before)}${line}\n`,
      ),
    )
    .join('');
}
