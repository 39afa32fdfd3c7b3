import { createInterface } from 'node:readline';
import { Writable } from 'node:stream';
import { text as readAll } from 'node:stream/consumers';
import { isJsonObject } from '#core/json.ts';
import { CliError } from './cli-error.ts';
import { printable } from './output/text.ts';

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

/**
 * Secrets in this order: at a terminal each is asked for without showing it; with `--stdin` each is a line.
 * What is missing or too much is said, and never shown.
 */
export async function secretLines<const Names extends readonly string[]>(
  names: Names,
  fromStdin: boolean,
): Promise<{ readonly [I in keyof Names]: string }> {
  const values: string[] = [];
  if (fromStdin) {
    values.push(...(await secretFromStdin()).split(/\r?\n/));
    if (values.length !== names.length) {
      throw new CliError(
        'usage',
        'USAGE',
        `stdin has ${values.length} lines; give ${names.length}: ${names.join(', ')}`,
      );
    }
  } else {
    for (const name of names) values.push(await ask(name, { hidden: true, instead: '--stdin' }));
  }
  return values as unknown as { readonly [I in keyof Names]: string };
}

/** Values by name: those named are asked for without showing them; stdin has a JSON object of them. */
export async function secretsOf(
  names: readonly string[],
  fromStdin: boolean,
): Promise<{ readonly [name: string]: string }> {
  if (fromStdin) {
    if (names.length > 0) {
      throw new CliError(
        'usage',
        'USAGE',
        '--secret asks for one, --secrets-stdin has all: use one',
      );
    }
    return parseSecrets(await secretFromStdin());
  }
  const values: { [name: string]: string } = Object.create(null);
  for (const name of names) {
    values[name] = await ask(`secret ${printable(name)}`, {
      hidden: true,
      instead: '--secrets-stdin',
    });
  }
  return values;
}

function parseSecrets(text: string): { readonly [name: string]: string } {
  let parsed: unknown = null;
  try {
    parsed = JSON.parse(text);
  } catch {
    // Refused below, without the parser's sentence: it would show what it could not read.
  }
  const isMap =
    isJsonObject(parsed) && Object.values(parsed).every((value) => typeof value === 'string');
  if (isMap) return parsed as { readonly [name: string]: string };
  throw new CliError(
    'usage',
    'USAGE',
    'stdin is not a JSON object of values by the names of secrets, such as {"crm-token": "..."}',
  );
}
