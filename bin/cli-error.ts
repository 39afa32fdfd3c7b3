/** How a command ends, for scripts. Append-only. */
export const EXIT = {
  ok: 0,
  /** It ran and the answer is no: an invalid definition, a failed execution. */
  failed: 1,
  /** The command line or a file it names is wrong. */
  usage: 2,
  /** The platform could not be reached or refused. */
  refused: 3,
} as const;

export type ExitName = keyof typeof EXIT;

/** An end of a command that is explained in one sentence, without a stack trace. */
export class CliError extends Error {
  readonly exit: ExitName;

  constructor(exit: ExitName, message: string) {
    super(message);
    this.name = 'CliError';
    this.exit = exit;
  }
}
