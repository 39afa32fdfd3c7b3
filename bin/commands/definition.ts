import { writeFileSync } from 'node:fs';
import { STEP_RUNNER } from '#core/asl/compile.ts';
import { type CheckedWorkflow, checkWorkflow, type WorkflowReport } from '#core/check-workflow.ts';
import { drawSvg } from '#core/picture/svg.ts';
import { drawText } from '#core/picture/text.ts';
import { CliError } from '../cli-error.ts';
import { parseSource, readSource } from '../input.ts';
import { formatProblem, type SourceFile } from '../output/problems.ts';
import { cutTo, duration, type Terminal, table } from '../output/terminal.ts';

type Good = Extract<CheckedWorkflow, { ok: true }>;

/** `cloudflow validate`: true when every file is a valid definition (and, when strict, without warnings). */
export async function validate(
  terminal: Terminal,
  paths: readonly string[],
  options: { readonly strict: boolean },
): Promise<boolean> {
  let good = true;
  const results: object[] = [];
  for (const path of paths) {
    const file = readSource(path);
    const checked = checkWorkflow(parseSource(file));
    const problems = checked.ok ? [] : checked.problems;
    good &&= checked.ok && !(options.strict && checked.warnings.length > 0);
    if (terminal.json) {
      results.push({ file: path, valid: checked.ok, problems, warnings: checked.warnings });
      continue;
    }
    for (const problem of problems) terminal.out(formatProblem(terminal, file, problem, 'error'));
    for (const problem of checked.warnings) {
      terminal.out(formatProblem(terminal, file, problem, 'warning'));
    }
    terminal.out(verdict(terminal, file, checked));
  }
  if (terminal.json) terminal.out(`${JSON.stringify({ files: results })}\n`);
  return good;
}

function verdict(terminal: Terminal, file: SourceFile, checked: CheckedWorkflow): string {
  if (!checked.ok) {
    const count = checked.problems.length;
    return `${terminal.style('red', '✗')} ${file.name}: ${count} ${count === 1 ? 'problem' : 'problems'}\n`;
  }
  const { program, runtime, warnings, report } = checked;
  const warned = warnings.length === 0 ? '' : `, ${warnings.length} warnings`;
  return `${terminal.style('green', '✓')} ${file.name}: ${program.workflowId} ${program.version}, ${report.steps.length} steps, runs on ${runtime}${warned}\n`;
}

/** `cloudflow plan`: how it will run, what it costs, and why. */
export async function plan(terminal: Terminal, path: string): Promise<boolean> {
  const { file, checked } = check(terminal, path);
  if (terminal.json) {
    terminal.out(`${JSON.stringify({ report: checked.report, warnings: checked.warnings })}\n`);
    return true;
  }
  for (const problem of checked.warnings) {
    terminal.out(formatProblem(terminal, file, problem, 'warning'));
  }
  terminal.out(planText(terminal, checked));
  return true;
}

function planText(terminal: Terminal, { program, report }: Good): string {
  const bold = (text: string) => terminal.style('bold', text);
  const { machine, choice } = report;
  return [
    bold(`${program.workflowId} ${program.version}`),
    `runtime         ${choice.runtime}: ${choice.reason}`,
    ...choice.obstacles.map((obstacle) => `                ${obstacle.code} ${obstacle.pointer}`),
    `critical path   ${report.criticalPath.steps.join(' → ')} (about ${duration(report.criticalPath.estimateMs)})`,
    `calls           at most ${report.totalCalls} in one execution, retries included`,
    ...(machine === null
      ? []
      : [
          `state machine   ${machine.states} states, ${machine.bytes} bytes`,
          `transitions     ${machine.transitions.happy} when all goes well, ${machine.transitions.worst} at worst`,
          `history events  ${machine.events.happy} when all goes well, ${machine.events.worst} at worst (of 25000)`,
          `price           ${machine.usdPerMillion.toFixed(0)} USD per million executions on Step Functions Standard`,
        ]),
    `program         ${report.hash.slice(0, 16)}`,
    '',
    ...barriersText(terminal, report),
    table(
      terminal,
      ['step', 'output', 'calls', 'type'],
      report.steps.map((step) => [
        step.path,
        `≤ ${step.maxOutputBytes} B`,
        step.calls === 0 ? '' : step.calls === 1 ? '1 call' : `up to ${step.calls} calls`,
        `${step.type}${step.live ? '' : ' (output unread)'}`,
      ]),
    ),
  ].join('\n');
}

function barriersText(terminal: Terminal, { barriers }: WorkflowReport): string[] {
  if (barriers.length === 0) return [];
  return [
    ...barriers.map((barrier) =>
      cutTo(
        `on Step Functions ${barrier.after.join(', ')} also wait for ${barrier.before.join(', ')} (about ${barrier.stretch.toFixed(2)} times as long)`,
        terminal.width,
      ),
    ),
    '',
  ];
}

/** `cloudflow compile`: the state machine as it is sent to AWS. */
export async function compile(
  terminal: Terminal,
  path: string,
  options: { readonly stepRunner?: string },
): Promise<boolean> {
  const { file, checked } = check(terminal, path, options.stepRunner ?? STEP_RUNNER);
  if (checked.machine === null) {
    for (const obstacle of checked.report.choice.obstacles) {
      terminal.err(formatProblem(terminal, file, obstacle, 'error'));
    }
    throw new CliError(
      'failed',
      `${file.name} runs on the engine only: Step Functions cannot run it`,
    );
  }
  terminal.out(`${JSON.stringify(checked.machine, null, 2)}\n`);
  return true;
}

/** `cloudflow graph`: text on the terminal, or SVG. */
export async function graph(
  terminal: Terminal,
  path: string,
  options: { readonly svg?: string },
): Promise<boolean> {
  const { checked } = check(terminal, path);
  if (options.svg === undefined) {
    for (const line of drawText(checked.program).trimEnd().split('\n')) {
      terminal.out(`${terminal.interactive ? cutTo(line, terminal.width) : line}\n`);
    }
    return true;
  }
  const svg = drawSvg(checked.program);
  if (options.svg === '-') terminal.out(svg);
  else writeFileSync(options.svg, svg);
  return true;
}

/** A valid definition, or the end of the command with all that is wrong. */
function check(
  terminal: Terminal,
  path: string,
  stepRunner = STEP_RUNNER,
): { readonly file: SourceFile; readonly checked: Good } {
  const file = readSource(path);
  const checked = checkWorkflow(parseSource(file), { stepRunner });
  if (checked.ok) return { file, checked };
  for (const problem of checked.problems) {
    terminal.err(formatProblem(terminal, file, problem, 'error'));
  }
  throw new CliError('failed', `${file.name} is not a valid definition`);
}
