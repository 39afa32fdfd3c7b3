import { styleText } from 'node:util';

/** Where a command writes, and what it may assume of the reader. */
export interface Terminal {
  /** Machine-readable output was asked for: one JSON document on stdout and nothing else. */
  readonly json: boolean;
  /** Columns to fit into; 80 where the output is no terminal. */
  readonly width: number;
  /** A person watches: lines may be redrawn. False in a pipe. */
  readonly interactive: boolean;
  out(text: string): void;
  err(text: string): void;
  style(style: Style, text: string): string;
}

export type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'blue' | 'cyan';

export function createTerminal(options: { json: boolean }): Terminal {
  const { stdout, stderr } = process;
  return {
    json: options.json,
    width: Math.max(40, stdout.columns ?? 80),
    interactive: stdout.isTTY === true && !options.json,
    out: (text) => void stdout.write(text),
    err: (text) => void stderr.write(text),
    // styleText obeys NO_COLOR, FORCE_COLOR and whether the stream is a terminal.
    style: (style, text) => styleText(style, text, { stream: stdout }),
  };
}

/** Cuts a line to the width, with an ellipsis; counts code points, which is right for our own text. */
export function cutTo(text: string, width: number): string {
  const points = [...text];
  return points.length <= width ? text : `${points.slice(0, Math.max(0, width - 1)).join('')}…`;
}

/** Rows under headings, the last column cut to what the width leaves. Control characters are shown, not obeyed. */
export function table(
  terminal: Terminal,
  headings: readonly string[],
  rows: readonly (readonly string[])[],
): string {
  const cells = [headings, ...rows].map((row) => row.map(printable));
  const widths = headings.map((_, i) =>
    Math.max(...cells.map((row) => [...(row[i] ?? '')].length)),
  );
  const last = headings.length - 1;
  const before = widths.slice(0, last).reduce((sum, width) => sum + width + 2, 0);
  const room = Math.max(10, terminal.width - before);
  return cells
    .map((row, r) => {
      const line = row
        .map((cell, i) => (i === last ? cutTo(cell, room) : cell.padEnd((widths[i] ?? 0) + 2)))
        .join('')
        .trimEnd();
      return `${r === 0 ? terminal.style('dim', line) : line}\n`;
    })
    .join('');
}

/** Text of strangers on a terminal: control characters become visible instead of moving the cursor. */
export function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: finding them is the purpose
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g, (character) =>
    character === '\n' ? '⏎' : `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** `1.4 s`, `3 min 20 s`, `12 ms`: a length of time for people. */
export function duration(milliseconds: number): string {
  if (milliseconds < 1_000) return `${Math.round(milliseconds)} ms`;
  if (milliseconds < 60_000) return `${(milliseconds / 1_000).toFixed(1)} s`;
  const seconds = Math.round(milliseconds / 1_000);
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 1_440) return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
  return `${Math.floor(minutes / 1_440)} d ${Math.floor((minutes % 1_440) / 60)} h`;
}
