import { CommanderError } from 'commander';
import { EXIT, type ExitName } from './cli-error.ts';
import { explain } from './explain.ts';
import { createTerminal, type TerminalOptions } from './output/terminal.ts';
import { createProgram } from './program.ts';

/** The command line from its words to its exit status. */
export async function main(
  args: readonly string[],
  streams: Omit<TerminalOptions, 'json'> = {},
): Promise<number> {
  const json = args.includes('--json');
  const terminal = createTerminal({ ...streams, json });
  let command = 'cloudflow';
  let ended: ExitName = 'ok';
  const program = createProgram({
    terminal,
    misread: (name) => {
      command = name;
    },
    ended: (exit) => {
      ended = exit;
    },
  });
  try {
    // `--version` alone asks for ours; behind `retry` it is the workflow's, so the program, whose
    // options are known behind commands too, cannot own it.
    const own = args.length === 1 && args[0] === '--version' ? ['-V'] : args;
    await program.parseAsync(own, { from: 'user' });
    return EXIT[ended];
  } catch (error) {
    // Without a command there is only help to give, which has been printed.
    const helped = error instanceof CommanderError && error.code === 'commander.help';
    return helped && !json ? EXIT.usage : explain(terminal, error, command);
  }
}
