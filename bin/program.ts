import { Argument, Command, InvalidArgumentError, Option } from 'commander';
import { type ConsumerName, consumerNames } from '#config/consumers.ts';
import { type PlatformWorkflowName, platformWorkflowNames } from '#config/platform-workflows.ts';
import { STAGES } from '#config/stages.ts';
import { AUDIT_OUTCOMES } from '#core/audit-chain.ts';
import { EXAMPLE_PER_DAY } from '#core/cost/runtimes.ts';
import { DEAD_LETTER_STATUS_WORDS } from '#core/events/dead-letter-status.ts';
import manifest from '../package.json' with { type: 'json' };
import type { ExitName } from './cli-error.ts';
import type { Terminal } from './output/terminal.ts';
import { findPlace, openSession, type SessionOptions } from './session.ts';

/**
 * The command line as data: every command, argument and option, each with an example. Commands are
 * loaded when they run: `cloudflow --help` and offline commands must not pay for the platform (a
 * database driver, an HTTP client, the engine).
 */

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

  /** Adds a command; `run` gets its arguments, its own options and the global ones. */
  const add = <Own extends object>(
    parent: Command,
    signature: string,
    description: string,
    examples: readonly string[],
    options: readonly Option[],
    run: (args: readonly string[], own: Own, globals: GlobalOptions) => Outcome,
    args: readonly Argument[] = [],
  ): Command => {
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
    return command.action(async (...given: unknown[]) => {
      const globals = command.optsWithGlobals<GlobalOptions>();
      // The library gives the arguments, then the command's own options, then the command.
      const good = await run(given.slice(0, -2) as string[], given.at(-2) as Own, globals);
      if (good === false) host.ended('failed');
    });
  };

  add<Omit<import('./commands/dev.ts').DevOptions, 'dataDir'>>(
    program,
    'dev',
    'start the platform in this process: API, both runtimes, PostgreSQL',
    ['cloudflow dev', 'cloudflow dev --port 0 --data-dir /tmp/try --once'],
    [
      option('--port <port>', 'where the API listens; 0: any free port')
        .argParser(integer(0, 65_535))
        .default(7411),
      option('--fresh', 'begin with an empty state'),
      option('--once', 'run the example on both runtimes, print the result and exit'),
      option('--no-example', 'start without running the example'),
      option('--engines <n>', 'engines in processes of their own; 0: one in this process')
        .argParser(integer(0, 16))
        .default(0),
      option('--clock <clock>', 'whether time passes by itself')
        .choices(['real', 'virtual'])
        .default('real'),
      option(
        '--kafka <brokers>',
        'brokers that events go to, host:port with commas between them; default: KAFKA_BROKERS, else PostgreSQL',
      ),
    ],
    async (_, own, { dataDir }) => {
      const { dev } = await import('./commands/dev.ts');
      return dev(terminal, { ...own, dataDir });
    },
  );

  add<{ strict?: true }>(
    program,
    'validate <files...>',
    'check definitions: every problem with line and column',
    ['cloudflow validate workflow.json', 'cloudflow validate --strict workflows/*.json'],
    [option('--strict', 'warnings fail too')],
    async ([files], own) => {
      const { validate } = await import('./commands/definition.ts');
      return validate(terminal, files as unknown as string[], own);
    },
  );

  add<{ perDay: number }>(
    program,
    'plan <file>',
    'how a definition will run, what it costs on each runtime, and why',
    ['cloudflow plan workflow.json', 'cloudflow plan --per-day 50000 workflow.json'],
    [
      option('--per-day <executions>', 'the volume that prices are for')
        .argParser(integer(1, 1_000_000_000))
        .default(EXAMPLE_PER_DAY),
    ],
    async ([file], own) => {
      const { plan } = await import('./commands/definition.ts');
      return plan(terminal, file as string, own);
    },
  );

  add<{ stepRunner?: string }>(
    program,
    'compile <file>',
    'print the Amazon States Language of a definition',
    ['cloudflow compile workflow.json > machine.json'],
    [option('--step-runner <arn>', 'the function that performs steps')],
    async ([file], own) => {
      const { compile } = await import('./commands/definition.ts');
      return compile(terminal, file as string, own);
    },
  );

  add<{ svg?: string }>(
    program,
    'graph <file>',
    'draw a definition: text in a terminal, SVG in a file',
    ['cloudflow graph workflow.json', 'cloudflow graph workflow.json --svg workflow.svg'],
    [option('--svg <out>', 'write an SVG picture to this file (- for stdout)')],
    async ([file], own) => {
      const { graph } = await import('./commands/definition.ts');
      return graph(terminal, file as string, own);
    },
  );

  add<import('./commands/run.ts').RunOptions>(
    program,
    'run <file>',
    'store a definition, start it and follow it to its end',
    [
      'cloudflow run workflow.json --input input.json',
      `cloudflow run workflow.json --input '{"order": 7}' --label team:ops --detach`,
    ],
    [
      option('--input <json>', 'a file, - for stdin, or JSON (default: {})'),
      runtime(),
      option('--label <name:value>', 'a label of the execution; may be repeated').argParser(
        collect,
      ),
      option('--priority <n>', 'where starts wait, which goes first: 0 to 9').argParser(
        integer(0, 9),
      ),
      option('--detach', 'print the execution id and leave'),
    ],
    async ([file], own, globals) => {
      const { run } = await import('./commands/run.ts');
      return run(terminal, await openSession(globals), file as string, own);
    },
  );

  add<import('./commands/executions.ts').ListOptions>(
    program,
    'executions',
    'list executions, newest first',
    ['cloudflow executions --status FAILED --label team:ops', 'cloudflow executions --json'],
    [
      option('--status <status>', 'only those with this status').choices([
        'PENDING',
        'RUNNING',
        'COMPLETED',
        'FAILED',
        'CANCELLED',
      ]),
      option('--workflow <id>', 'only those of this workflow'),
      option('--label <name:value>', 'only those with this label; may be repeated').argParser(
        collect,
      ),
      option('--text <words>', 'only those that these words find'),
      option('--held', 'only those that wait to begin'),
      option('--limit <n>', 'how many, 1 to 200').argParser(integer(1, 200)).default(20),
    ],
    async (_, own, globals) => {
      const { list } = await import('./commands/executions.ts');
      return list(terminal, await openSession(globals), own);
    },
  );

  add<{ follow?: true }>(
    program,
    'show',
    'the timeline of an execution, and why it waits',
    ['cloudflow show 01a20343-3cf1-70bb-8d66-0734ff6f3d80 --follow'],
    [option('--follow', 'go on watching until it ends')],
    async ([id], own, globals) => {
      const { show } = await import('./commands/executions.ts');
      return show(terminal, await openSession(globals), id as string, own);
    },
    [execution()],
  );

  add<import('./commands/operate.ts').CancelOptions>(
    program,
    'cancel',
    'end an execution early, undoing what was done where the definition says so',
    ['cloudflow cancel 01a20343-3cf1-70bb-8d66-0734ff6f3d80 --reason "wrong input"'],
    [
      option('--compensate', 'undo what was done'),
      option('--no-compensate', 'leave what was done'),
      option('--reason <text>', 'for whoever reads the history'),
    ],
    async ([id], own, globals) => {
      const { cancel } = await import('./commands/operate.ts');
      return cancel(terminal, await openSession(globals), id as string, own);
    },
    [execution()],
  );

  for (const [name, description] of [
    ['pause', 'start no further step of an execution until it is resumed'],
    ['resume', 'let a paused execution go on'],
    ['release', 'let an execution go that the integrity check has set aside'],
  ] as const) {
    add(
      program,
      name,
      description,
      [`cloudflow ${name} 01a20343-3cf1-70bb-8d66-0734ff6f3d80`],
      [],
      async ([id], _, globals) => {
        const commands = await import('./commands/operate.ts');
        return commands[name](terminal, await openSession(globals), id as string);
      },
      [execution()],
    );
  }

  add<import('./commands/operate.ts').RetryOptions>(
    program,
    'retry',
    'run a finished execution again from its failed steps',
    [
      'cloudflow retry 01a20343-3cf1-70bb-8d66-0734ff6f3d80 --dry-run',
      'cloudflow retry 01a20343-3cf1-70bb-8d66-0734ff6f3d80 --input fixed.json',
    ],
    [
      option('--input <json>', 'another input: a file, - for stdin, or JSON'),
      option('--version <version>', 'a newer compatible version of the workflow'),
      runtime(),
      option('--dry-run', 'only show what would be used again and what would be repeated'),
      option('--detach', 'print the execution id and leave'),
    ],
    async ([id], own, globals) => {
      const { retry } = await import('./commands/operate.ts');
      return retry(terminal, await openSession(globals), id as string, own);
    },
    [execution()],
  );

  const workflow = program.command('workflow').description('hold a whole workflow');
  add<{ reason?: string }>(
    workflow,
    'pause <workflow>',
    'let its executions wait before they begin; what runs goes on',
    ['cloudflow workflow pause welcome --reason "the mailer is down"'],
    [option('--reason <text>', 'for whoever finds it paused')],
    async ([id], own, globals) => {
      const { pauseWorkflow } = await import('./commands/workflows.ts');
      return pauseWorkflow(terminal, await openSession(globals), id as string, own);
    },
  );
  add(
    workflow,
    'resume <workflow>',
    'let what waits begin, the oldest first',
    ['cloudflow workflow resume welcome'],
    [],
    async ([id], _, globals) => {
      const { resumeWorkflow } = await import('./commands/workflows.ts');
      return resumeWorkflow(terminal, await openSession(globals), id as string);
    },
  );

  add<{ readonly limit: number }>(
    program,
    'quarantine',
    'list executions that the integrity check has set aside, and why',
    ['cloudflow quarantine'],
    [option('--limit <n>', 'how many').argParser(integer(1, 200)).default(50)],
    async (_, own, globals) => {
      const { listQuarantined } = await import('./commands/operate.ts');
      return listQuarantined(terminal, await openSession(globals), own);
    },
  );

  add<import('./commands/limits.ts').LimitOptions>(
    program,
    'limits',
    'how many executions run at once and how fast they begin; with an option, set it',
    [
      'cloudflow limits order',
      'cloudflow limits order --concurrency 20 --starts 100/1m',
      'cloudflow limits --none',
    ],
    [
      option('--concurrency <n>', 'executions that may run at once').argParser(integer(1, 100_000)),
      option('--starts <n/span>', 'executions that may begin within a span, such as 100/1m'),
      option('--max-waiting <n>', 'starts that may wait; one beyond is refused').argParser(
        integer(1, 10_000),
      ),
      option('--none', 'take away what was set'),
    ],
    async ([workflow], own, globals) => {
      const { limits } = await import('./commands/limits.ts');
      return limits(terminal, await openSession(globals), workflow, own);
    },
    [new Argument('[workflow]', 'a workflow; without one, all together')],
  );

  const bulk = program
    .command('bulk')
    .description('cancel, pause, resume or retry many executions at once');
  for (const [name, description] of [
    ['cancel', 'end executions early'],
    ['pause', 'start no further step of executions until they are resumed'],
    ['resume', 'let paused executions go on'],
    ['retry', 'run failed executions again from their failed steps'],
  ] as const) {
    add<import('./commands/bulk.ts').BulkOptions>(
      bulk,
      name,
      description,
      [`cloudflow bulk ${name} --workflow order --dry-run`],
      [
        option('--status <status>', 'only those with this status').choices([
          ...(name === 'retry' ? ['FAILED', 'CANCELLED', 'COMPLETED'] : ['PENDING', 'RUNNING']),
        ]),
        option('--workflow <id>', 'only those of this workflow'),
        option('--label <name:value>', 'only those with this label; may be repeated').argParser(
          collect,
        ),
        option('--text <words>', 'only those that these words find'),
        option('--from <instant>', 'not created before, as 2026-11-26T08:00:00.000Z'),
        option('--to <instant>', 'created before'),
        option('--limit <n>', 'how many, at most').argParser(integer(1, 100_000)).default(1_000),
        ...(name === 'cancel'
          ? [
              option('--compensate', 'undo what was done'),
              option('--no-compensate', 'leave what was done'),
              option('--reason <text>', 'for whoever reads the history'),
            ]
          : []),
        option('--dry-run', 'only count and show what is meant'),
      ],
      async (_, own, globals) => {
        const { startBulk } = await import('./commands/bulk.ts');
        return startBulk(terminal, await openSession(globals), name, own);
      },
    );
  }
  add(
    bulk,
    'show',
    'how far a bulk operation has got; without one, list them',
    ['cloudflow bulk show', 'cloudflow bulk show 01a20345-a52d-71dc-93cf-d9083cb9b13f'],
    [],
    async ([id], _, globals) => {
      const { showBulk } = await import('./commands/bulk.ts');
      return showBulk(terminal, await openSession(globals), id);
    },
    [uuid('[operation]', 'a bulk operation')],
  );
  add(
    bulk,
    'stop',
    'end a bulk operation early; what it has done stays done',
    ['cloudflow bulk stop 01a20345-a52d-71dc-93cf-d9083cb9b13f'],
    [],
    async ([id], _, globals) => {
      const { stopBulk } = await import('./commands/bulk.ts');
      return stopBulk(terminal, await openSession(globals), id as string);
    },
    [uuid('<operation>', 'a bulk operation')],
  );

  add<{ reject?: true; comment?: string }>(
    program,
    'approve',
    'answer an approval; without one, list those that wait',
    ['cloudflow approve', 'cloudflow approve 01a20345-a52d-71dc-93cf-d9083cb9b13f --reject'],
    [option('--reject', 'reject instead'), option('--comment <text>', 'why, for the history')],
    async ([id], own, globals) => {
      const { answer, approvals } = await import('./commands/approvals.ts');
      const client = await openSession(globals);
      return id === undefined ? approvals(terminal, client) : answer(terminal, client, id, own);
    },
    [uuid('[approval]', 'an approval, as `cloudflow approve` lists them')],
  );

  add<import('./commands/integrity.ts').IntegrityOptions>(
    program,
    'integrity',
    'hold executions in the database against their logs',
    ['cloudflow integrity', 'cloudflow integrity --executions all --within 3600 --json'],
    [
      option('--executions <n>', 'how many are drawn by chance; all: every one')
        .argParser((text) => (text === 'all' ? text : integer(1, 1_000_000)(text)))
        .default(200),
      option('--seed <n>', 'what the draw begins with: the same seed draws the same')
        .argParser(integer(0, 999_999_999))
        .default(1),
      option('--within <seconds>', 'stop after this time with what was seen')
        .argParser(integer(1, 86_400))
        .default(600),
      option(
        '--quarantine',
        'set aside what is broken, so that nobody moves it until it is released',
      ),
    ],
    async (_, own, { dataDir }) => {
      const { integrity } = await import('./commands/integrity.ts');
      return integrity(terminal, dataDir, own);
    },
  );

  add<import('./commands/preflight.ts').PreflightOptions>(
    program,
    'preflight',
    'ask the account of a stage for its quotas, before anything is deployed to it',
    ['cloudflow preflight --stage prod', 'cloudflow preflight --stage dev --account 111122223333'],
    [
      option('--stage <stage>', 'what is to be deployed')
        .choices([...STAGES])
        .makeOptionMandatory(),
      option('--account <id>', 'of the stage, where no CLOUDFLOW_<STAGE>_ACCOUNT names it'),
    ],
    async (_, own) => {
      const { preflight } = await import('./commands/preflight.ts');
      return preflight(terminal, own);
    },
  );

  add<import('./commands/identity.ts').LoginOptions & { sso?: string }>(
    program,
    'login',
    'sign in as a user; the local stack knows its first one',
    [
      'cloudflow login',
      'cloudflow login --url https://api.example.com --tenant acme',
      'cloudflow login --tenant acme --sso okta',
    ],
    [
      option('--tenant <tenant>', 'the short name of the tenant'),
      option('--sso <provider>', 'through this identity provider of the tenant, in a browser'),
      option('--email <address>', 'the address of the user'),
      option('--password-stdin', 'read the password from stdin'),
      option('--code <code>', 'of the authenticator, where one is enrolled'),
      option('--mode <mode>', 'which data the session is about')
        .choices(['live', 'test'])
        .default('live'),
    ],
    async (_, own, globals) => {
      const { sso } = own;
      if (sso !== undefined) {
        const { loginElsewhere } = await import('./commands/sign-in-elsewhere.ts');
        return loginElsewhere(terminal, findPlace(globals), { ...own, sso });
      }
      const { login } = await import('./commands/identity.ts');
      return login(terminal, findPlace(globals), own);
    },
  );

  add(
    program,
    'logout',
    'end the session that `cloudflow login` began',
    ['cloudflow logout'],
    [],
    async (_, __, globals) => {
      const { logout } = await import('./commands/identity.ts');
      return logout(terminal, findPlace(globals), await openSession(globals));
    },
  );

  add(
    program,
    'whoami',
    'who the platform takes you for, and what you may do',
    ['cloudflow whoami'],
    [],
    async (_, __, globals) => {
      const { whoami } = await import('./commands/identity.ts');
      return whoami(terminal, await openSession(globals));
    },
  );

  const users = program.command('users').description('people of the tenant');
  add<{ text?: string }>(
    users,
    'list',
    'list users by address',
    ['cloudflow users list --text ada'],
    [option('--text <text>', 'a part of the address or of the name')],
    async (_, own, globals) => {
      const commands = await import('./commands/identity.ts');
      return commands.users(terminal, await openSession(globals), own);
    },
  );
  add<{ role?: readonly string[]; name?: string }>(
    users,
    'invite <address>',
    'invite a user; a token is mailed that sets the first password',
    ['cloudflow users invite ada@example.com --role author --role approver'],
    [
      option('--role <role>', 'a role; may be repeated').argParser(collect),
      option('--name <name>', 'how to call them'),
    ],
    async ([email], own, globals) => {
      const commands = await import('./commands/identity.ts');
      return commands.invite(terminal, await openSession(globals), email as string, own);
    },
  );

  add(
    users,
    'invite-again <user>',
    'mail another invitation to who has not accepted theirs; the one before ends',
    ['cloudflow users invite-again 0190b6f2-...'],
    [],
    async ([user], _, globals) => {
      const commands = await import('./commands/identity.ts');
      return commands.inviteAgain(terminal, await openSession(globals), user as string);
    },
  );

  const mfa = program.command('mfa').description('your second factor: an authenticator');
  add(
    mfa,
    'enrol',
    'begin to enrol an authenticator: its secret and otpauth URI; at a terminal its first code is asked for',
    ['cloudflow mfa enrol'],
    [],
    async (_, __, globals) => {
      const { enrol } = await import('./commands/mfa.ts');
      return enrol(terminal, await openSession(globals));
    },
  );
  for (const [name, description, run] of [
    ['confirm', 'let the authenticator count, and print its recovery codes, this once', 'confirm'],
    ['prove', 'prove it again, for what is administrative in the next half hour', 'prove'],
    ['remove', 'remove it, with a last code of it; ends your other sessions', 'remove'],
  ] as const) {
    add(
      mfa,
      `${name} <code>`,
      description,
      [`cloudflow mfa ${name} 123456`],
      [],
      async ([code], _, globals) => {
        const commands = await import('./commands/mfa.ts');
        return commands[run](terminal, await openSession(globals), code as string);
      },
    );
  }

  const keys = program.command('keys').description('credentials of programs');
  add(
    keys,
    'list',
    'list API keys, newest first',
    ['cloudflow keys list'],
    [],
    async (_, __, g) => {
      const commands = await import('./commands/identity.ts');
      return commands.keys(terminal, await openSession(g));
    },
  );
  add<import('./commands/identity.ts').NewKeyOptions>(
    keys,
    'create <name>',
    'create an API key and print it, this once',
    ['cloudflow keys create ci --mode test --scope workflow:read --scope workflow:write'],
    [
      option('--scope <scope>', 'a permission, an area or *; may be repeated')
        .argParser(collect)
        .makeOptionMandatory(),
      option('--workflow <workflow>', 'for these only; may be repeated').argParser(collect),
      option('--mode <mode>', 'which data it is about').choices(['live', 'test']).default('test'),
    ],
    async ([name], own, globals) => {
      const commands = await import('./commands/identity.ts');
      return commands.createKey(terminal, await openSession(globals), name as string, own);
    },
  );
  for (const [name, description, run] of [
    ['rotate', 'make a key that may do the same; the old one goes on for a day', 'rotateKey'],
    ['revoke', 'revoke an API key', 'revokeKey'],
  ] as const) {
    add(
      keys,
      `${name} <key>`,
      description,
      [`cloudflow keys ${name} Ax6fv0yi`],
      [],
      async ([id], _, globals) => {
        const commands = await import('./commands/identity.ts');
        return commands[run](terminal, await openSession(globals), id as string);
      },
    );
  }

  const identities = program
    .command('identities')
    .description('who people are at identity providers');
  const whose = () => [option('--user <user>', 'of a user, by id; left out: your own')];
  add<import('./commands/identities.ts').Whose>(
    identities,
    'list',
    'list what lets somebody sign in elsewhere',
    ['cloudflow identities list', 'cloudflow identities list --user 0190b6f2-...'],
    whose(),
    async (_, own, globals) => {
      const commands = await import('./commands/identities.ts');
      return commands.identities(terminal, await openSession(globals), own);
    },
  );
  add<import('./commands/identities.ts').Whose>(
    identities,
    'remove <provider>',
    'let somebody sign in through a provider no more, and end sessions that came through it',
    ['cloudflow identities remove okta'],
    whose(),
    async ([provider], own, globals) => {
      const commands = await import('./commands/identities.ts');
      return commands.removeIdentity(terminal, await openSession(globals), provider as string, own);
    },
  );

  const providers = program
    .command('identity-providers')
    .description('where people sign in besides here');
  add(
    providers,
    'list',
    'list identity providers by name',
    ['cloudflow identity-providers list'],
    [],
    async (_, __, globals) => {
      const commands = await import('./commands/identity-providers.ts');
      return commands.identityProviders(terminal, await openSession(globals));
    },
  );
  add<{ secretStdin?: true }>(
    providers,
    'create <file>',
    'connect an identity provider, out of a JSON file as the API takes it',
    ['cloudflow identity-providers create okta.json --secret-stdin < secret'],
    [option('--secret-stdin', 'read the client secret from stdin')],
    async ([file], own, globals) => {
      const commands = await import('./commands/identity-providers.ts');
      const client = await openSession(globals);
      return commands.createIdentityProvider(terminal, client, file as string, own);
    },
  );
  add(
    providers,
    'delete <provider>',
    'let nobody sign in through it any more, and end sessions that came through it',
    ['cloudflow identity-providers delete okta'],
    [],
    async ([name], _, globals) => {
      const commands = await import('./commands/identity-providers.ts');
      const client = await openSession(globals);
      return commands.deleteIdentityProvider(terminal, client, name as string);
    },
  );

  const audit = program.command('audit').description('who did what');
  const filters = () => [
    option('--actor <actor>', 'user:<id>, key:<id> or unknown'),
    option('--operation <operation>', 'as the API names it, such as createWorkflow'),
    option('--target <target>', 'what it was done to, such as workflow:order'),
    option('--outcome <outcome>', 'what became of it').choices([...AUDIT_OUTCOMES]),
    option('--from <instant>', 'not before, as 2026-11-26T08:00:00.000Z'),
    option('--to <instant>', 'before'),
  ];
  add<import('./commands/audit.ts').AuditListOptions>(
    audit,
    'list',
    'list who did what, newest first',
    ['cloudflow audit list --outcome refused', 'cloudflow audit list --target workflow:order'],
    [
      ...filters(),
      option('--limit <n>', 'how many, 1 to 200').argParser(integer(1, 200)).default(20),
    ],
    async (_, own, globals) => {
      const commands = await import('./commands/audit.ts');
      return commands.listAudit(terminal, await openSession(globals), own);
    },
  );
  add<Omit<import('./commands/audit.ts').AuditListOptions, 'limit'>>(
    audit,
    'export',
    'write out all of it, oldest first, one JSON document a line',
    ['cloudflow audit export > audit.ndjson'],
    filters(),
    async (_, own, globals) => {
      const commands = await import('./commands/audit.ts');
      return commands.exportAudit(terminal, await openSession(globals), own);
    },
  );
  add<{ archive?: string }>(
    audit,
    'verify',
    'compute the chain anew and name the first event that is wrong',
    ['cloudflow audit verify', 'cloudflow audit verify --archive ./copy-of-the-audit-bucket'],
    [option('--archive <folder>', 'take the signed ends from a copy of the archive')],
    async (_, own, globals) => {
      const commands = await import('./commands/audit.ts');
      return commands.verify(terminal, await openSession(globals), own);
    },
  );

  const deadLetters = program
    .command('dead-letters')
    .description('events that a reader could not use');
  add<import('./commands/dead-letters.ts').DeadLetterListOptions>(
    deadLetters,
    'list',
    'list them, newest first',
    ['cloudflow dead-letters list', 'cloudflow dead-letters list --status discarded'],
    [
      option('--status <status>', 'what became of them')
        .choices([...DEAD_LETTER_STATUS_WORDS])
        .default('open'),
      option('--group <group>', 'the readers that could not use them'),
      option('--fingerprint <fingerprint>', 'of one cause'),
      option('--limit <n>', 'how many, 1 to 200').argParser(integer(1, 200)).default(20),
    ],
    async (_, own, globals) => {
      const commands = await import('./commands/dead-letters.ts');
      return commands.listDeadLetters(terminal, await openSession(globals), own);
    },
  );
  add(
    deadLetters,
    'patterns',
    'group open ones by their cause',
    ['cloudflow dead-letters patterns'],
    [],
    async (_, _own, globals) => {
      const commands = await import('./commands/dead-letters.ts');
      return commands.listPatterns(terminal, await openSession(globals));
    },
  );
  add<{ reason?: string }>(
    deadLetters,
    'redrive <id>',
    'send one to its topic again',
    ['cloudflow dead-letters redrive 019a4d2c-8800-7000-8000-000000000001'],
    [option('--reason <text>', 'what has changed')],
    async ([id], own, globals) => {
      const commands = await import('./commands/dead-letters.ts');
      return commands.redrive(terminal, await openSession(globals), id as string, own);
    },
  );
  add<{ reason: string }>(
    deadLetters,
    'discard <id>',
    'let one be',
    [
      "cloudflow dead-letters discard 019a4d2c-8800-7000-8000-000000000001 --reason 'billed by hand'",
    ],
    [option('--reason <text>', 'why').makeOptionMandatory()],
    async ([id], own, globals) => {
      const commands = await import('./commands/dead-letters.ts');
      return commands.discard(terminal, await openSession(globals), id as string, own);
    },
  );

  add<import('./commands/replay.ts').ReplayOptions & { reader: ConsumerName }>(
    program,
    'replay',
    'hand events to a reader again, from a time on; what it knows has no effect twice',
    [
      'cloudflow replay --reader billing --from earliest',
      'cloudflow replay --reader analytics --from 2026-11-26T08:00:00.000Z',
    ],
    [
      option('--reader <reader>', 'who gets them')
        .choices([...consumerNames])
        .makeOptionMandatory(),
      option('--from <instant>', 'not before, or earliest').makeOptionMandatory(),
    ],
    async (_, own, { dataDir }) => {
      const { replayTopic } = await import('./commands/replay.ts');
      return replayTopic(terminal, dataDir, own.reader, own);
    },
  );

  add<{ out?: string }>(
    program,
    'drill <timeline>',
    'what a rehearsal or a disaster took, held against the objectives',
    ['cloudflow drill timeline.json', 'cloudflow drill timeline.json --out report.txt'],
    [option('--out <file>', 'write the report to this file too')],
    async ([file], own) => {
      const { drill } = await import('./commands/drill.ts');
      return drill(terminal, file as string, own);
    },
  );

  const recovery = program
    .command('recovery')
    .description('operate the platform itself, where it is deployed');
  const at = () => [
    option('--stage <stage>', 'which platform')
      .choices([...STAGES])
      .makeOptionMandatory(),
    option('--region <region>', 'where the workflow runs').makeOptionMandatory(),
  ];
  add<import('./commands/recovery.ts').StartOptions>(
    recovery,
    'start',
    'start a workflow of the platform itself, with the AWS credentials of this shell',
    [
      `cloudflow recovery start region-failover --stage prod --region us-west-2 --input '{"mode": "unplanned", "dry_run": true}'`,
      'cloudflow recovery start restore-test --stage prod --region us-east-1',
    ],
    [
      ...at(),
      option('--input <json>', 'a file, - for stdin, or JSON (default: {})'),
      option('--name <name>', 'of the execution; the same name starts it once'),
    ],
    async ([workflow], own) => {
      const { start } = await import('./commands/recovery.ts');
      return start(terminal, workflow as PlatformWorkflowName, own);
    },
    [new Argument('<workflow>', 'which').choices([...platformWorkflowNames])],
  );
  add<import('./commands/recovery.ts').ApproveOptions>(
    recovery,
    'approve',
    'answer the approval that a workflow of the platform itself waits for',
    ['cloudflow recovery approve 5f2c1d --step approve --stage prod --region us-west-2 --by ada'],
    [
      ...at(),
      option('--step <step>', 'the approval').default('approve'),
      option('--by <name>', 'who decides').makeOptionMandatory(),
      option('--reject', 'reject instead'),
      option('--comment <text>', 'why, for the report'),
    ],
    async ([execution], own) => {
      const { approve } = await import('./commands/recovery.ts');
      return approve(terminal, execution as string, own);
    },
    [new Argument('<execution>', 'as the announcement says')],
  );

  const asl = program.command('asl').description('work with Amazon States Language');
  add<{ input?: string; tasks?: string }>(
    asl,
    'run <machine>',
    'run a machine file by itself and print its history, as GetExecutionHistory does',
    ['cloudflow asl run machine.json --input in.json --tasks results.json'],
    [
      option('--input <json>', 'a file, - for stdin, or JSON (default: {})'),
      option('--tasks <file>', 'results of its tasks, by the name of their state'),
    ],
    async ([machine], own) => {
      const { runMachine } = await import('./commands/asl.ts');
      return runMachine(terminal, machine as string, own);
    },
  );
  return program;
}

function option(flags: string, description: string): Option {
  return new Option(flags, description);
}

function runtime(): Option {
  return option('--runtime <runtime>', 'where it runs, whatever the definition says').choices([
    'auto',
    'engine',
    'step_functions',
  ]);
}

function execution(): Argument {
  return uuid('<execution>', 'an execution, as `cloudflow executions` lists them');
}

function uuid(name: string, description: string): Argument {
  return new Argument(name, description).argParser((text: string) => {
    if (/^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text)) return text.toLowerCase();
    throw new InvalidArgumentError('an id looks like 01a20343-3cf1-70bb-8d66-0734ff6f3d80');
  });
}

function collect(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, value];
}

function integer(low: number, high: number): (text: string) => number {
  return (text) => {
    const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
    if (value >= low && value <= high) return value;
    throw new InvalidArgumentError(`${low} to ${high}`);
  };
}
