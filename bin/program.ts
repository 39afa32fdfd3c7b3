import { Command } from 'commander';
import manifest from '../package.json' with { type: 'json' };
import { account } from './program/account.ts';
import { createCli, type Host } from './program/cli.ts';
import { connections } from './program/connections.ts';
import { definitions } from './program/definitions.ts';
import { executions } from './program/executions.ts';
import { members } from './program/members.ts';
import { operating } from './program/operating.ts';
import { people } from './program/people.ts';
import { platform } from './program/platform.ts';
import { records } from './program/records.ts';
import { workflows } from './program/workflows.ts';

/**
 * The command line as data: every command, argument and option, each with an example. Commands are
 * loaded when they run: `cloudflow --help` and offline commands must not pay for the platform (a
 * database driver, an HTTP client, the engine).
 */
export function createProgram(host: Host): Command {
  const { terminal } = host;
  const program = new Command('cloudflow')
    .description('Workflows on two runtimes: check, run, watch and operate them.')
    .usage('[options] <command>')
    .option('--json', 'print one JSON document on stdout, errors included')
    .option('--url <url>', 'the platform (default: CLOUDFLOW_URL, or the local stack)')
    .option('--api-key <key>', 'the API key (default: CLOUDFLOW_API_KEY, or the local stack)')
    .option('--data-dir <dir>', "the local stack's folder", '.cloudflow')
    .version(manifest.version, '-V', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .helpCommand('help [command]', 'print the help of a command')
    .configureOutput({
      writeOut: (text) => terminal.out(text),
      writeErr: (text) => terminal.err(terminal.json ? '' : text),
      outputError: () => {}, // bin/explain.ts says it, in the form of all other errors
      getOutHelpWidth: () => Math.min(terminal.width, 100),
      getErrHelpWidth: () => Math.min(terminal.width, 100),
    })
    .configureHelp({ showGlobalOptions: true })
    .exitOverride((error) => {
      host.misread('cloudflow');
      throw error;
    });

  const cli = createCli(program, host);
  const parts = [
    definitions,
    workflows,
    executions,
    operating,
    connections,
    people,
    account,
    members,
    records,
    platform,
  ];
  for (const part of parts) part(cli);
  return program;
}
