import { createInterface } from 'node:readline';
import { Writable } from 'node:stream';
import { text as readAll } from 'node:stream/consumers';
import { CliError } from './cli-error.ts';

/** Asks on stderr, so that stdout stays a document; what is typed at `hidden` is not shown. */
export async function ask(
  question: string,
  options: {
    readonly hidden: boolean;
    /** What to type where there is nobody to ask. */
    readonly instead: string;
  },
): Promise<string> {
  if (!process.stdin.isTTY) {
    throw new CliError(
      'usage',
      'USAGE',
      `there is no terminal to ask for the ${question}; use ${options.instead}`,
    );
  }
  let quiet = false;
  const output = new Writable({
    write(chunk, _, done) {
      if (!quiet) process.stderr.write(chunk);
      done();
    },
  });
  const terminal = createInterface({ input: process.stdin, output, terminal: true });
  try {
    return await new Promise<string>((resolve, reject) => {
      terminal.once('SIGINT', () => reject(new CliError('interrupted', 'INTERRUPTED', 'left')));
      terminal.question(`${question}: `, resolve);
      quiet = options.hidden;
    });
  } finally {
    terminal.close();
    if (options.hidden) process.stderr.write('\n');
  }
}

/** A secret from a pipe: all of it, without its last line end. */
export async function secretFromStdin(): Promise<string> {
  return (await readAll(process.stdin)).replace(/\r?\n$/, '');
}
