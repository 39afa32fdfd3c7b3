/**
 * The part of docs/cli.md that follows from the program itself. `node test/bin/reference.ts` prints
 * it; a test holds that the document ends with it.
 */
import type { Command, Option } from 'commander';
import { type OperationId, routeOf } from '#contract/routes.ts';
import { createTerminal } from '../../bin/output/terminal.ts';
import { createProgram } from '../../bin/program.ts';
import { NO_COMMAND } from './no-command.ts';

export const HEADING = '## Commands';

export function reference(): string {
  const program = createProgram({
    terminal: createTerminal({ json: false, columns: '100' }),
    misread() {},
    ended() {},
  });
  const global = section('Options of all commands', optionRows(program.options));
  return [HEADING, '', global, ...commandsOf(program, 'cloudflow'), ...without()].join('\n');
}

function without(): string[] {
  const rows = Object.entries(NO_COMMAND).map(([id, why]) => {
    const { method, path } = routeOf(id as OperationId);
    return `| \`${method} ${path}\` | ${why} |`;
  });
  return [
    '## What has no command',
    '',
    'Every other operation of [the API](api.md) has one.',
    '',
    '| operation | why |',
    '|---|---|',
    ...rows,
    '',
  ];
}

function commandsOf(parent: Command, path: string): string[] {
  return parent.commands.flatMap((command) => {
    const name = `${path} ${command.name()}`;
    if (command.commands.length > 0) return commandsOf(command, name);
    const about = [
      '```',
      `${name} ${command.usage()}`,
      '```',
      '',
      `${sentence(command.description())}\n`,
      optionRows(command.options),
      '```sh',
      ...examplesOf(command),
      '```',
      '',
    ];
    return [section(name, about.join('\n'))];
  });
}

function section(title: string, text: string): string {
  return `### ${title}\n\n${text}`;
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}

function optionRows(options: readonly Option[]): string {
  if (options.length === 0) return '';
  const rows = options.map(({ flags, description, argChoices, defaultValue }) => {
    const notes = [
      description,
      ...(argChoices === undefined ? [] : [argChoices.map((each) => `\`${each}\``).join(', ')]),
      ...(defaultValue === undefined || defaultValue === true
        ? []
        : [`default \`${defaultValue}\``]),
    ];
    return `| \`${flags}\` | ${notes.join('; ')} |\n`;
  });
  return `| option | |\n|---|---|\n${rows.join('')}`;
}

function examplesOf(command: Command): string[] {
  let help = '';
  command.configureOutput({
    writeOut: (text) => {
      help += text;
    },
  });
  command.outputHelp();
  const [, examples = ''] = help.split(/\nExamples?:\n/);
  return examples.split('\n').flatMap((line) => (line.trim() === '' ? [] : [line.trim()]));
}

if (import.meta.main) process.stdout.write(reference());
