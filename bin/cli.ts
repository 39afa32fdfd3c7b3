#!/usr/bin/env node
import { CommanderError } from 'commander';
import { EXIT } from './cli-error.ts';
import { explain } from './explain.ts';
import { createTerminal } from './output/terminal.ts';
import { createProgram } from './program.ts';

// A reader that stops reading (`| head`) ends us quietly, as it does every Unix tool.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(EXIT.ok);
  throw error;
});

const json = process.argv.includes('--json');
const terminal = createTerminal({ json });
let command = 'cloudflow';
const program = createProgram({
  terminal,
  started: (name) => {
    command = name;
  },
  ended: (exit) => {
    process.exitCode = EXIT[exit];
  },
});

// `--version` alone asks for ours; behind `retry` it is the workflow's, so the program cannot own it.
const given = process.argv.slice(2);
const args = given.length === 1 && given[0] === '--version' ? ['-V'] : given;

try {
  await program.parseAsync(args, { from: 'user' });
} catch (error) {
  // Without a command there is only help to give, which has been printed.
  const helped = error instanceof CommanderError && error.code === 'commander.help';
  process.exitCode = helped && !json ? EXIT.usage : explain(terminal, error, command);
}
