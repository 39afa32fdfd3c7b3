import { stripVTControlCharacters, styleText } from 'node:util';
import { jsonText, withoutControls } from './text.ts';

/**
 * Where a command writes, and what it may assume of the reader.
 *
 *  O1 Nothing leaves that a terminal would obey but line ends and our own colours, whoever wrote the
 *     text. Callers still pass strangers' text through `printable`, so that it cannot borrow colours.
 *  O2 With --json stdout gets one JSON document and nothing else, also when the command fails.
 */
export interface Terminal {
  /** Machine-readable output was asked for. */
  readonly json: boolean;
  /** Columns to fit into; without end where nobody said how wide the reader is (a pipe, a file). */
  readonly width: number;
  out(text: string): void;
  err(text: string): void;
  /** Writes the one document of --json. */
  document(value: unknown): void;
  style(style: Style, text: string): string;
}

export type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'blue' | 'cyan';

/** What is used of process.stdout and process.stderr. */
export interface Output {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

export interface TerminalOptions {
  readonly json: boolean;
  readonly stdout?: NodeJS.WritableStream & Output;
  readonly stderr?: NodeJS.WritableStream & Output;
  readonly columns?: string | undefined;
}

const NARROWEST = 40;

export function createTerminal(options: TerminalOptions): Terminal {
  const stdout = options.stdout ?? process.stdout;
  const stderr = options.stderr ?? process.stderr;
  const said = Number(options.columns ?? process.env['COLUMNS'] ?? '');
  const columns = Number.isInteger(said) && said > 0 ? said : stdout.columns;
  const write = (stream: NodeJS.WritableStream & Output) => {
    // styleText obeys NO_COLOR, FORCE_COLOR and whether the stream is a terminal.
    const colours = styleText('bold', 'x', { stream }) !== 'x';
    return (text: string): void => {
      const safe = withoutControls(text);
      stream.write(colours ? safe : stripVTControlCharacters(safe));
    };
  };
  const out = write(stdout);
  return {
    json: options.json,
    width:
      columns === undefined || columns === 0
        ? Number.POSITIVE_INFINITY
        : Math.max(NARROWEST, columns),
    out,
    err: write(stderr),
    document: (value) => out(`${jsonText(value)}\n`),
    style: (style, text) => styleText(style, text, { validateStream: false }),
  };
}
