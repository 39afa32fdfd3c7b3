import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import type { Json } from '#core/json.ts';
import { CliError } from './cli-error.ts';
import { jsonSyntaxProblem, type SourceFile } from './output/problems.ts';

/** Reads a file a user named; `-` is standard input. */
export function readSource(path: string): SourceFile {
  try {
    return path === '-'
      ? { name: '(stdin)', text: readFileSync(0, 'utf8') }
      : { name: path, text: readFileSync(path, 'utf8') };
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const why = code === 'ENOENT' ? 'no such file' : code === 'EISDIR' ? 'a folder' : message;
    throw new CliError('usage', `cannot read ${path}: ${why}`);
  }
}

/** Parses a file as JSON, or says where it stops being JSON. */
export function parseSource(file: SourceFile): Json {
  try {
    return JSON.parse(file.text) as Json;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    const { line, column, message } = jsonSyntaxProblem(file.text, error);
    throw new CliError('usage', `${file.name}:${line}:${column}  not JSON: ${message}`);
  }
}

/** `--input`: a file, `-`, or JSON as it stands when it looks like it. */
export function readInput(argument: string | undefined): Json {
  if (argument === undefined) return {};
  const inline = /^\s*[[{"]|^\s*(?:null|true|false|-?\d)/.test(argument);
  return parseSource(inline ? { name: '--input', text: argument } : readSource(argument));
}

export function baseName(path: string): string {
  return path === '-' ? 'stdin' : basename(path).replace(/\.json$/, '');
}
