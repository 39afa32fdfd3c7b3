import { locate } from '#core/dsl/locate.ts';
import type { Problem } from '#core/errors.ts';
import type { Terminal } from './terminal.ts';
import { cutTo, printable, printableInPlace, wrap } from './text.ts';

export interface SourceFile {
  readonly name: string;
  readonly text: string;
}

export interface PlacedProblem extends Problem {
  readonly line: number;
  readonly column: number;
}

/** Adds what a JSON Pointer does not tell a person: line and column. */
export function placed(file: SourceFile, problem: Problem): PlacedProblem {
  return 'line' in problem && 'column' in problem
    ? (problem as PlacedProblem)
    : { ...problem, ...locate(file.text, problem.pointer) };
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
  const { line, column } = placed(file, problem);
  const sign = terminal.style(level === 'error' ? 'red' : 'yellow', level);
  const code = terminal.style('bold', printable(problem.code));
  const pointer = problem.pointer === '' ? '' : `  ${printable(problem.pointer)}`;
  const head = `${printable(file.name)}:${line}:${column}  ${sign}  ${code}${pointer}`;
  const notes = [
    problem.message,
    problem.given === undefined ? null : `given: ${problem.given}`,
    problem.allowed === undefined ? null : `allowed: ${problem.allowed}`,
  ].flatMap((note) => (note === null ? [] : wrap(printable(note), terminal.width - 2)));
  return `${[head, ...notes.map((note) => `  ${note}`), ...excerpt(terminal, file.text, line, column)].join('\n')}\n`;
}

/** The widest part of a source line that is shown where the width is not known. */
const WIDEST = 160;

function excerpt(terminal: Terminal, text: string, line: number, column: number): string[] {
  const source = text.split('\n', line)[line - 1];
  if (source === undefined || source.trim() === '') return [];
  const number = String(line).padStart(5);
  const room = Math.min(terminal.width, WIDEST) - 8;
  // A long line is shown from near the place on, so that the mark is never off the screen.
  const from = column > room - 10 ? column - 10 : 0;
  const shown = printableInPlace(source.slice(from).trimEnd());
  const start = from === 0 ? shown : `…${shown.slice(1)}`;
  return [
    terminal.style('dim', `${number} | ${cutTo(start, room)}`),
    terminal.style('dim', `      | ${' '.repeat(Math.max(0, column - 1 - from))}^`),
  ];
}
