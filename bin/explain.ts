import { CommanderError } from 'commander';
import { CloudFlowError, type Problem } from '#core/errors.ts';
import { CliError, type CliErrorCode, EXIT, type ExitName } from './cli-error.ts';
import { formatProblem } from './output/problems.ts';
import type { Terminal } from './output/terminal.ts';
import { printable, wrap } from './output/text.ts';

/** What ended a command, in the form that --json prints. */
export interface Explanation {
  readonly code: CliErrorCode;
  readonly message: string;
  readonly problems: readonly Problem[];
  readonly request_id: string | null;
}

/** What a user can do about it, where the platform's own words do not say. */
const HINTS: { readonly [code: string]: string } = {
  UNAVAILABLE: 'is it running? `cloudflow dev` starts one on this machine',
  UNAUTHENTICATED:
    'the credential is --api-key, CLOUDFLOW_API_KEY, whoever `cloudflow login` signed in, or the key in stack.json in the folder of --data-dir',
  PERMISSION_DENIED:
    '`cloudflow whoami` says what this credential may do; `cloudflow login` signs in as a user, in mode live',
  MFA_REQUIRED:
    'prove it with `cloudflow mfa prove CODE`; whoever has no authenticator yet begins with `cloudflow mfa enrol`',
  REAUTHENTICATION_REQUIRED: 'sign in again with `cloudflow login`, then repeat it',
};

/** Says why a command ended: one sentence for what a user can mend; a trace only for our mistakes. */
export function explain(terminal: Terminal, error: unknown, command: string): number {
  if (error instanceof CommanderError && error.exitCode === 0) return EXIT.ok; // help was asked for
  const { exit, explanation, hint } = understand(error, command);
  if (terminal.json) {
    terminal.document({ error: explanation });
    return EXIT[exit];
  }
  if (error instanceof CliError && error.file !== null) {
    for (const problem of error.problems) {
      terminal.err(formatProblem(terminal, error.file, problem, 'error'));
    }
  }
  const { code, message, request_id } = explanation;
  const fromApi = error instanceof CloudFlowError;
  const text = `${fromApi ? `${code}: ` : ''}${message}${request_id === null ? '' : ` (request ${request_id})`}`;
  const colour = exit === 'interrupted' ? 'yellow' : 'red';
  const head = exit === 'interrupted' ? 'left' : 'error';
  const lines = wrap(printable(text), terminal.width - head.length - 2);
  lines.forEach((line, i) => {
    const start = i === 0 ? terminal.style(colour, head) : ' '.repeat(head.length);
    terminal.err(`${start}  ${line}\n`);
  });
  if (fromApi) for (const problem of error.problems) terminal.err(apiProblem(terminal, problem));
  if (hint !== null) {
    for (const line of wrap(hint, terminal.width - 2)) terminal.err(`  ${line}\n`);
  }
  if (exit === 'internal' && error instanceof Error) {
    // The first line is the message, which has been said.
    terminal.err(`${error.stack?.split('\n').slice(1).join('\n') ?? ''}\n`);
  }
  return EXIT[exit];
}

function understand(
  error: unknown,
  command: string,
): { readonly exit: ExitName; readonly explanation: Explanation; readonly hint: string | null } {
  if (error instanceof CliError) {
    const { exit, code, message, problems } = error;
    return { exit, explanation: { code, message, problems, request_id: null }, hint: null };
  }
  if (error instanceof CloudFlowError) {
    const { code, message, problems } = error;
    const id = error.details['request_id'];
    const request_id = typeof id === 'string' ? id : null;
    return {
      exit: 'refused',
      explanation: { code, message, problems, request_id },
      hint: HINTS[code] ?? null,
    };
  }
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof CommanderError) {
    return {
      exit: 'usage',
      explanation: { code: 'USAGE', message: usage(message), problems: [], request_id: null },
      hint: `\`${command} --help\` says what it takes`,
    };
  }
  return {
    exit: 'internal',
    explanation: { code: 'INTERNAL', message, problems: [], request_id: null },
    hint: null,
  };
}

/** The library's sentence in our form: no prefix, no full stop, one line. */
function usage(message: string): string {
  return message
    .replace(/^error: /, '')
    .replace(
      /^command-argument value ('.*') is invalid for argument '(.*)'\. /s,
      '$1 is not an $2: ',
    )
    .replace(/ is invalid\. (?:Allowed choices are )?/, ' is not allowed; use ')
    .replace(/\n\(Did you mean (.+)\?\)$/s, '; did you mean $1?')
    .replace(/\n/g, ' ')
    .replace(/\.$/, '');
}

function apiProblem(terminal: Terminal, { code, pointer, message, allowed }: Problem): string {
  const text = `${pointer || '/'}  ${code}  ${message}${allowed === undefined ? '' : `; allowed: ${allowed}`}`;
  return wrap(printable(text), terminal.width - 2)
    .map((line) => `  ${line}\n`)
    .join('');
}
