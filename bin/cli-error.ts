import type { ApiErrorCode } from '#core/errors.ts';
import type { PlacedProblem, SourceFile } from './output/problems.ts';

/** How a command ends, for scripts. Append-only; docs/cli.md lists it. */
export const EXIT = {
  ok: 0,
  /** It was done and the answer is no: an invalid definition, an execution that did not complete. */
  failed: 1,
  /** The command line or a file that it names is wrong; nothing was done. */
  usage: 2,
  /** The platform could not be reached, or refused. */
  refused: 3,
  /** A mistake of our own. */
  internal: 4,
  /** Ctrl-C while watching. The execution goes on. */
  interrupted: 130,
} as const;

export type ExitName = keyof typeof EXIT;

/** Codes of errors that no platform gave, beside those of the API. Append-only. */
export type CliErrorCode =
  | 'USAGE'
  | 'FILE_UNREADABLE'
  | 'FILE_UNWRITABLE'
  | 'NOT_JSON'
  | 'NO_PLATFORM'
  | 'NOT_SIGNED_IN'
  | 'SIGN_IN_ENDED'
  | 'PORT_IN_USE'
  | 'FOLDER_IN_USE'
  | 'FOLDER_UNUSABLE'
  | 'DATABASE_LOST'
  | 'STATE_INCOMPATIBLE'
  | 'MACHINE_INVALID'
  | 'ACCOUNT_MISMATCH'
  | 'INTERRUPTED'
  | 'INTERNAL'
  | ApiErrorCode;

/** An end of a command that is explained in one sentence, without a stack trace. */
export class CliError extends Error {
  readonly exit: ExitName;
  readonly code: CliErrorCode;
  /** What is wrong with a file of the user's. */
  readonly file: SourceFile | null;
  readonly problems: readonly PlacedProblem[];

  constructor(
    exit: ExitName,
    code: CliErrorCode,
    message: string,
    about: { readonly file: SourceFile; readonly problems: readonly PlacedProblem[] } | null = null,
  ) {
    super(message);
    this.name = 'CliError';
    this.exit = exit;
    this.code = code;
    this.file = about?.file ?? null;
    this.problems = about?.problems ?? [];
  }
}
