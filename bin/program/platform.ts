import { Argument } from 'commander';
import { type PlatformWorkflowName, platformWorkflowNames } from '#config/platform-workflows.ts';
import { STAGES } from '#config/stages.ts';
import { findPlace } from '../session.ts';
import type { Cli } from './cli.ts';
import { integer, option } from './words.ts';

/** The platform itself: checked, about to be deployed, and recovered. */
export function platform({ program, terminal, add }: Cli): void {
  program.commandsGroup('The platform itself:');

  add(
    program,
    'health',
    'whether the platform answers, and what it depends on',
    ['cloudflow health', 'cloudflow health --url https://api.example.com'],
    [],
    async (_, __, globals) => {
      const { health } = await import('../commands/health.ts');
      return health(terminal, findPlace(globals));
    },
  );

  add<import('../commands/integrity.ts').IntegrityOptions>(
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
      const { integrity } = await import('../commands/integrity.ts');
      return integrity(terminal, dataDir, own);
    },
  );

  add<import('../commands/preflight.ts').PreflightOptions>(
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
      const { preflight } = await import('../commands/preflight.ts');
      return preflight(terminal, own);
    },
  );

  add<{ out?: string }>(
    program,
    'drill <timeline>',
    'what a rehearsal or a disaster took, held against the objectives',
    ['cloudflow drill timeline.json', 'cloudflow drill timeline.json --out report.txt'],
    [option('--out <file>', 'write the report to this file too')],
    async ([file], own) => {
      const { drill } = await import('../commands/drill.ts');
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
  add<import('../commands/recovery.ts').StartOptions>(
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
      const { start } = await import('../commands/recovery.ts');
      return start(terminal, workflow as PlatformWorkflowName, own);
    },
    [new Argument('<workflow>', 'which').choices([...platformWorkflowNames])],
  );
  add<import('../commands/recovery.ts').ApproveOptions>(
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
      const { approve } = await import('../commands/recovery.ts');
      return approve(terminal, execution as string, own);
    },
    [new Argument('<execution>', 'as the announcement says')],
  );
}
