import { locate } from '#core/dsl/locate.ts';
import type { Problem } from '#core/errors.ts';
import { cutTo, printable, type Terminal } from './terminal.ts';

export interface SourceFile {
  readonly name: string;
  readonly text: string;
}

/**
 * A problem as a person wants it: file, line and column, what is wrong, what would be right, and the
 * line itself with a mark under the place.
 */
export function formatProblem(
  terminal: Terminal,
  file: SourceFile,
  problem: Problem,
  level: 'error' | 'warning',
): string {
  const { line, column } = locate(file.text, problem.pointer);
  const colour = level === 'error' ? 'red' : 'yellow';
  const head = `${file.name}:${line}:${column}  ${terminal.style(colour, level)}  ${terminal.style('bold', problem.code)}  ${problem.pointer || '/'}`;
  const notes = [
    problem.message,
    problem.given === undefined ? null : `given: ${problem.given}`,
    problem.allowed === undefined ? null : `allowed: ${problem.allowed}`,
  ].filter((note) => note !== null);
  return `${[head, ...notes.map((note) => `  ${printable(note)}`), ...excerpt(terminal, file.text, line, column)].join('\n')}\n`;
}

function excerpt(terminal: Terminal, text: string, line: number, column: number): string[] {
  const source = text.split('\n', line)[line - 1];
  if (source === undefined) return [];
  const number = String(line).padStart(5);
  const room = terminal.width - 8;
  // A long line is shown from near the place on, so that the mark is never off the screen.
  const from = column > room - 10 ? column - 10 : 0;
  return [
    terminal.style('dim', `${number} | ${cutTo(printable(source.slice(from).trimEnd()), room)}`),
    terminal.style('dim', `      | ${' '.repeat(Math.max(0, column - 1 - from))}^`),
  ];
}

/** Where JSON itself is broken, from the parser's own words: `{line, column, message}`. */
export function jsonSyntaxProblem(
  text: string,
  error: SyntaxError,
): {
  line: number;
  column: number;
  message: string;
} {
  const position = /position (\d+)/.exec(error.message)?.[1];
  const before = text.slice(0, position === undefined ? text.length : Number(position));
  const lines = before.split('\n');
  return {
    line: lines.length,
    column: (lines.at(-1) ?? '').length + 1,
    message: error.message
      .replace(/ in JSON at position.*$/, '')
      .replace(/ \(line \d+ column \d+\)/, ''),
  };
}
