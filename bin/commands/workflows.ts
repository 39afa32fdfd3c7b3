import type { Client } from '#client/client.ts';
import type { ResponseBody } from '#contract/routes.ts';
import { hasErrorCode } from '#core/errors.ts';
import type { JsonObject } from '#core/json.ts';
import { CliError } from '../cli-error.ts';
import { parseDefinition, readSource } from '../input.ts';
import { facts } from '../output/facts.ts';
import { listed, told } from '../output/pages.ts';
import { formatProblem, placed, type SourceFile } from '../output/problems.ts';
import type { Terminal } from '../output/terminal.ts';
import { count, instant, jsonText, printable } from '../output/text.ts';

type Summary = Awaited<ReturnType<Client['resumeWorkflow']>>;

export interface WorkflowListOptions {
  readonly text?: string;
  readonly stepType?: string;
  readonly limit: number;
}

export async function listWorkflows(
  terminal: Terminal,
  client: Client,
  { text, stepType, limit }: WorkflowListOptions,
): Promise<void> {
  const page = await client.listWorkflows({
    query: {
      limit,
      ...(text === undefined ? {} : { text }),
      ...(stepType === undefined ? {} : { step_type: stepType }),
    },
  });
  listed(terminal, page, {
    none: 'no workflows',
    headings: ['id', 'version', 'steps', 'runtime', 'changed (UTC)', 'state', 'description'],
    row: (workflow) => [
      workflow.workflow_id,
      workflow.version,
      String(workflow.step_count),
      workflow.runtime,
      instant(workflow.updated_at),
      workflow.paused === null ? '' : 'paused',
      workflow.description ?? '',
    ],
    more: '--limit or --text shows others',
  });
}

/** The current version, or another; `definition` alone where that is asked for, to be put into a file. */
export async function showWorkflow(
  terminal: Terminal,
  client: Client,
  id: string,
  options: { readonly version?: string; readonly definition?: true },
): Promise<void> {
  const { version } = options;
  if (version !== undefined) {
    const found = await client.getVersion({ workflow_id: id, version });
    if (!isShown(terminal, found, options.definition)) terminal.out(versionText(terminal, found));
    return;
  }
  const found = await client.getWorkflow({ workflow_id: id });
  if (isShown(terminal, found, options.definition)) return;
  const { latest_execution: latest, paused } = found;
  terminal.out(
    facts(terminal, [
      ['workflow', found.workflow_id],
      ['version', `${found.version}, the highest of ${count(found.version_count, 'version')}`],
      ['about', found.description],
      ['runtime', found.runtime],
      ['steps', String(found.step_count)],
      ['stored', `${instant(found.updated_at)} UTC`],
      [
        'paused',
        paused === null
          ? null
          : `since ${instant(paused.at)} UTC by ${paused.by}${paused.reason === null ? '' : `: ${paused.reason}`}`,
      ],
      [
        'latest',
        latest === null
          ? 'never executed'
          : `${latest.id} of ${latest.version}, ${latest.status}, created ${instant(latest.created_at)} UTC`,
      ],
    ]),
  );
}

/** True: it has been written as a document or as a definition, so there is no more to say. */
function isShown(
  terminal: Terminal,
  found: { readonly definition: JsonObject },
  definition: true | undefined,
): boolean {
  if (definition === true) {
    if (terminal.json) terminal.document(found.definition);
    else terminal.out(`${jsonText(found.definition, 2)}\n`);
  } else if (terminal.json) terminal.document(found);
  return terminal.json || definition === true;
}

function versionText(terminal: Terminal, found: ResponseBody<'getVersion'>): string {
  return facts(terminal, [
    ['workflow', found.workflow_id],
    ['version', found.version],
    ['about', found.description],
    ['hash', found.hash],
    ['stored', `${instant(found.created_at)} UTC by ${found.created_by}`],
  ]);
}

export async function listVersions(
  terminal: Terminal,
  client: Client,
  id: string,
  query: { readonly limit: number },
): Promise<void> {
  listed(terminal, await client.listVersions({ workflow_id: id, query }), {
    none: 'no versions',
    headings: ['version', 'stored (UTC)', 'by', 'hash', 'description'],
    row: ({ version, created_at, created_by, hash, description }) => [
      version,
      instant(created_at),
      created_by,
      hash.slice(0, 12),
      description ?? '',
    ],
    more: '--limit shows more',
  });
}

/** `cloudflow workflow store FILE`: stores a version without starting it. */
export async function storeWorkflow(
  terminal: Terminal,
  client: Client,
  path: string,
): Promise<void> {
  const file = readSource(path);
  const stored = await storeDefinition(client, file, parseDefinition(file));
  if (!terminal.json) {
    for (const warning of stored.warnings) {
      terminal.err(formatProblem(terminal, file, placed(file, warning), 'warning'));
    }
  }
  told(terminal, stored, printable(`${stored.workflow_id} ${stored.version} is stored`));
}

/** Stores the definition that a file has; what is wrong with it is told with its lines. */
export async function storeDefinition(
  client: Client,
  file: SourceFile,
  body: JsonObject,
): Promise<ResponseBody<'createWorkflow'>> {
  try {
    return await client.createWorkflow({ body });
  } catch (error) {
    if (!hasErrorCode(error, 'WORKFLOW_INVALID')) throw error;
    throw new CliError('failed', 'WORKFLOW_INVALID', `${file.name} is not a valid definition`, {
      file,
      problems: error.problems.map((problem) => placed(file, problem)),
    });
  }
}

export async function deleteWorkflow(
  terminal: Terminal,
  client: Client,
  id: string,
): Promise<void> {
  await client.deleteWorkflow({ workflow_id: id });
  told(
    terminal,
    { deleted: id },
    `${printable(id)} is deleted; what runs goes on, and history stays`,
  );
}

export async function pauseWorkflow(
  terminal: Terminal,
  client: Client,
  id: string,
  { reason }: { readonly reason?: string },
): Promise<void> {
  const body = reason === undefined ? {} : { reason };
  const paused = await client.pauseWorkflow({ workflow_id: id, body });
  const going = paused.running.count === 0 ? 'none' : paused.running.count;
  say(terminal, paused, `paused; new executions wait, ${going} still run`);
}

export async function resumeWorkflow(
  terminal: Terminal,
  client: Client,
  id: string,
): Promise<void> {
  say(terminal, await client.resumeWorkflow({ workflow_id: id }), 'resumed; what waited begins');
}

function say(terminal: Terminal, summary: Summary, what: string): void {
  told(terminal, summary, `${summary.workflow_id}  ${what}`);
}
