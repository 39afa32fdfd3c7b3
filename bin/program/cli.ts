import type { Argument, Command, Option } from 'commander';
import type { ExitName } from '../cli-error.ts';
import type { Terminal } from '../output/terminal.ts';
import type { SessionOptions } from '../session.ts';

export interface Host {
  readonly terminal: Terminal;
  /** The command whose words could not be understood, for the hint at its help. */
  misread(command: string): void;
  ended(exit: ExitName): void;
}

interface GlobalOptions extends SessionOptions {
  readonly json: boolean;
}

/** True or nothing: it was done. False: it was done, and the answer is no. */
type Outcome = Promise<unknown>;

/** What each part of the command line gets to add its commands to. */
export interface Cli {
  readonly program: Command;
  readonly terminal: Terminal;
  /** Adds a command; `run` gets its arguments, its own options and the global ones. */
  add<Own extends object>(
    parent: Command,
    signature: string,
    description: string,
    examples: readonly string[],
    options: readonly Option[],
    run: (args: readonly string[], own: Own, globals: GlobalOptions) => Outcome,
    args?: readonly Argument[],
  ): void;
}

export function createCli(program: Command, host: Host): Cli {
  return {
    program,
    terminal: host.terminal,
    add<Own extends object>(
      parent: Command,
      signature: string,
      description: string,
      examples: readonly string[],
      options: readonly Option[],
      run: (args: readonly string[], own: Own, globals: GlobalOptions) => Outcome,
      args: readonly Argument[] = [],
    ) {
      const command = parent.command(signature).description(description);
      for (const argument of args) command.addArgument(argument);
      for (const option of options) command.addOption(option);
      const path = `${parent === program ? 'cloudflow' : `cloudflow ${parent.name()}`} ${command.name()}`;
      command.addHelpText(
        'after',
        `\nExample${examples.length === 1 ? '' : 's'}:\n${examples.map((example) => `  ${example}\n`).join('')}`,
      );
      command.exitOverride((error) => {
        host.misread(path);
        throw error;
      });
      command.action(async (...given: unknown[]) => {
        const globals = command.optsWithGlobals<GlobalOptions>();
        // The library gives the arguments, then the command's own options, then the command.
        const good = await run(given.slice(0, -2) as string[], given.at(-2) as Own, globals);
        if (good === false) host.ended('failed');
      });
    },
  };
}
