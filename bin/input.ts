import { readFileSync, writeFileSync } from 'node:fs';
import { findUnfit } from '#contract/json-body.ts';
import { isJsonObject, type Json, type JsonObject } from '#core/json.ts';
import { CliError, type ExitName } from './cli-error.ts';
import { findSyntaxProblem, place, type SyntaxProblem } from './output/json-syntax.ts';
import type { PlacedProblem, SourceFile } from './output/problems.ts';

/** Reads a file a user named; `-` is standard input. */
export function readSource(path: string): SourceFile {
  try {
    return path === '-'
      ? { name: '(stdin)', text: readFileSync(0, 'utf8') }
      : { name: path, text: readFileSync(path, 'utf8') };
  } catch (error) {
    throw new CliError('usage', 'FILE_UNREADABLE', `cannot read ${path}: ${why(error)}`);
  }
}

/** Writes a file a user named. */
export function writeTarget(path: string, text: string): void {
  try {
    writeFileSync(path, text);
  } catch (error) {
    throw new CliError('usage', 'FILE_UNWRITABLE', `cannot write ${path}: ${why(error)}`);
  }
}

/** What a person needs of an error of the file system. */
export function why(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === 'ENOENT') return 'no such file or folder';
  if (code === 'EISDIR') return 'it is a folder';
  if (code === 'EACCES' || code === 'EPERM') return 'permission denied';
  if (code === 'EROFS') return 'the file system can only be read';
  if (code === 'ENOSPC') return 'there is no space left';
  return message;
}

export type Parsed =
  | { readonly ok: true; readonly value: Json }
  | { readonly ok: false; readonly problem: PlacedProblem };

/**
 * Parses a file as JSON that the platform takes, or says where it is not: what JSON.parse would change
 * without a word (the first of two equal keys, 1e400, 2^53 + 1) must not be sent as something else.
 */
export function parseJson(file: SourceFile): Parsed {
  let value: Json;
  try {
    value = JSON.parse(file.text) as Json;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    const found = findSyntaxProblem(file.text);
    return refused('NOT_JSON', found ?? place(file.text, 0, error.message, 'JSON'));
  }
  const unfit = findUnfit(file.text);
  if (unfit === null) return { ok: true, value };
  const { offset, message } = unfit;
  return refused(
    'REQUEST_MALFORMED',
    place(file.text, offset, message, 'JSON that means one thing'),
  );
}

function refused(code: string, found: SyntaxProblem): Parsed {
  return { ok: false, problem: { code, pointer: '', ...found } };
}

/** The JSON of a file, or the end of the command. */
export function parseSource(file: SourceFile, exit: ExitName = 'usage'): Json {
  const parsed = parseJson(file);
  if (parsed.ok) return parsed.value;
  const what = parsed.problem.code === 'NOT_JSON' ? 'is not JSON' : 'is not JSON that is taken';
  throw new CliError(exit, 'NOT_JSON', `${file.name} ${what}`, {
    file,
    problems: [parsed.problem],
  });
}

/** The JSON object of a file: a definition or a machine. What else it is, is for the checks to say. */
export function parseDefinition(file: SourceFile): JsonObject {
  const value = parseSource(file, 'failed');
  if (isJsonObject(value)) return value;
  const given = JSON.stringify(value);
  throw new CliError('failed', 'WORKFLOW_INVALID', `${file.name} is not a definition`, {
    file,
    problems: [
      {
        code: 'E_SCHEMA',
        pointer: '',
        message: 'a definition is an object',
        given: given.length > 60 ? `${given.slice(0, 60)}…` : given,
        line: 1,
        column: 1,
      },
    ],
  });
}

/** The JSON object of a file that is a body of the API: what is in it is for the platform to check. */
export function objectIn(path: string): JsonObject {
  const file = readSource(path);
  const body = parseSource(file);
  if (isJsonObject(body)) return body;
  throw new CliError('usage', 'USAGE', `${file.name} is not a JSON object`);
}

/** The file that made a thing also says which one it replaces. */
export function nameIn(path: string, name: Json | undefined): string {
  if (typeof name === 'string' && name !== '') return name;
  throw new CliError('usage', 'USAGE', `${path} has no "name" that says what is replaced`);
}

const LITERAL = /^\s*(?:[[{"]|(?:null|true|false|-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)\s*$)/;

/** `--input`: a file, `-`, or JSON as it stands when it looks like it. */
export function readInput(argument: string | undefined): Json {
  if (argument === undefined) return {};
  return parseSource(
    LITERAL.test(argument) ? { name: '--input', text: argument } : readSource(argument),
  );
}
