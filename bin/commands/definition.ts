import { FUNCTIONS } from '#config/functions.ts';
import { readStageSettings } from '#config/stage-settings.ts';
import { STEP_RUNNER } from '#core/asl/compile.ts';
import { type CheckedWorkflow, checkWorkflow, type WorkflowReport } from '#core/check-workflow.ts';
import { PRICE_LIST } from '#core/cost/prices.ts';
import { type RuntimeCosts, runtimeCosts } from '#core/cost/runtimes.ts';
import { drawSvg } from '#core/picture/svg.ts';
import { drawText } from '#core/picture/text.ts';
import { reportJson } from '#core/report-json.ts';
import { CliError } from '../cli-error.ts';
import { parseDefinition, parseJson, readSource, writeTarget } from '../input.ts';
import { formatProblem, type PlacedProblem, placed, type SourceFile } from '../output/problems.ts';
import { table } from '../output/table.ts';
import type { Terminal } from '../output/terminal.ts';
import { count, cutTo, duration, jsonText, printable, wrap } from '../output/text.ts';

type Good = Extract<CheckedWorkflow, { ok: true }>;

interface Verdict {
  readonly file: string;
  readonly valid: boolean;
  readonly problems: readonly PlacedProblem[];
  readonly warnings: readonly PlacedProblem[];
}

/** `cloudflow validate`: true when every file is a valid definition (and, when strict, without warnings). */
export async function validate(
  terminal: Terminal,
  paths: readonly string[],
  options: { readonly strict?: boolean },
): Promise<boolean> {
  // All files are read first: a name that is wrong is a mistake of the command line, not an answer.
  const verdicts = paths.map(readSource).map((file) => {
    const { verdict, line } = judge(terminal, file);
    if (!terminal.json) {
      for (const problem of verdict.problems) {
        terminal.out(formatProblem(terminal, file, problem, 'error'));
      }
      for (const problem of verdict.warnings) {
        terminal.out(formatProblem(terminal, file, problem, 'warning'));
      }
      terminal.out(line);
    }
    return verdict;
  });
  const bad = verdicts.filter(
    ({ valid, warnings }) => !valid || (options.strict === true && warnings.length > 0),
  );
  if (terminal.json) terminal.document({ files: verdicts });
  else if (verdicts.length > 1) {
    terminal.out(
      `${count(verdicts.length, 'file')}, ${verdicts.length - bad.length} good, ${bad.length} bad\n`,
    );
  }
  return bad.length === 0;
}

function judge(
  terminal: Terminal,
  file: SourceFile,
): { readonly verdict: Verdict; readonly line: string } {
  const parsed = parseJson(file);
  const checked: CheckedWorkflow | null = parsed.ok ? checkWorkflow(parsed.value) : null;
  const problems = parsed.ok
    ? checked === null || checked.ok
      ? []
      : checked.problems.map((problem) => placed(file, problem))
    : [parsed.problem];
  const warnings = (checked?.warnings ?? []).map((problem) => placed(file, problem));
  const name = printable(file.name);
  const verdict = { file: file.name, valid: problems.length === 0, problems, warnings };
  if (checked === null || !checked.ok) {
    return {
      verdict,
      line: `${terminal.style('red', '✗')} ${name}: ${count(problems.length, 'problem')}\n`,
    };
  }
  const { program, runtime, report } = checked;
  const warned = warnings.length === 0 ? '' : `, ${count(warnings.length, 'warning')}`;
  const text = `${name}: ${program.workflowId} ${program.version}, ${count(report.steps.length, 'step')}, runs on ${runtime}${warned}`;
  return { verdict, line: `${terminal.style('green', '✓')} ${text}\n` };
}

/** `cloudflow plan`: how it will run, what it costs, and why. */
export async function plan(
  terminal: Terminal,
  path: string,
  options: { readonly perDay: number },
): Promise<boolean> {
  const { file, checked } = check(path);
  // prod is what a price is asked about; its tasks are the least that run day and night.
  const fleet = readStageSettings({ stage: 'prod', account: undefined }, {}).engine;
  const costs = runtimeCosts(checked.report, checked.report.machine, {
    perDay: options.perDay,
    fleet,
    runnerMb: FUNCTIONS['step-runner'].memoryMb,
  });
  if (terminal.json) {
    terminal.document({
      report: reportJson(checked.report),
      costs: costsJson(costs),
      warnings: checked.warnings.map((problem) => placed(file, problem)),
    });
    return true;
  }
  for (const problem of checked.warnings) {
    terminal.out(formatProblem(terminal, file, problem, 'warning'));
  }
  terminal.out(planText(terminal, checked, costs));
  return true;
}

const NAMES = 16;

/** A name and what it is, wrapped beside each other, or below each other where that is too narrow. */
function fact(terminal: Terminal, name: string, text: string): string[] {
  const [first = '', ...rest] = wrap(printable(text), terminal.width - NAMES);
  return [`${name.padEnd(NAMES)}${first}`, ...rest.map((line) => ' '.repeat(NAMES) + line)];
}

function costsJson({ perDay, stepFunctions, engine, breakEvenPerDay }: RuntimeCosts) {
  const { region, on, withinPercent } = PRICE_LIST;
  return {
    prices: { region, on, within_percent: withinPercent },
    per_day: perDay,
    step_functions:
      stepFunctions === null
        ? null
        : {
            usd_per_million: stepFunctions.usdPerMillion,
            transitions: stepFunctions.transitions,
            usd_of_transitions: stepFunctions.usdOfTransitions,
            invocations: stepFunctions.invocations,
            usd_of_runner: stepFunctions.usdOfRunner,
          },
    engine: {
      usd_per_million: engine.usdPerMillion,
      tasks: engine.tasks,
      usd_per_day: engine.usdPerDay,
    },
    break_even_per_day: breakEvenPerDay,
  };
}

function costsText({ perDay, stepFunctions, engine, breakEvenPerDay }: RuntimeCosts): string[] {
  const each = `USD per million executions`;
  const tasks = `${count(engine.tasks, 'task')} of prod, ${number(engine.usdPerDay)} USD a day`;
  return [
    stepFunctions === null
      ? 'step_functions: cannot run it'
      : `step_functions: ${number(stepFunctions.usdPerMillion)} ${each}: ${number(stepFunctions.usdOfTransitions)} for ${number(stepFunctions.transitions)} transitions, ${number(stepFunctions.usdOfRunner)} for ${number(stepFunctions.invocations)} invocations of the step runner`,
    engine.usdPerMillion === null
      ? `engine: ${number(perDay)} a day are more than ${tasks}, can take`
      : `engine: ${number(engine.usdPerMillion)} ${each} at ${number(perDay)} a day: ${tasks}`,
    breakEvenPerDay === null
      ? 'no volume at which the engine becomes the cheaper one'
      : `break-even: from ${number(breakEvenPerDay)} executions a day on the engine is the cheaper one`,
    `list prices of ${PRICE_LIST.region}, give or take ${PRICE_LIST.withinPercent} %, when all goes well; what costs the same on both is left out`,
  ];
}

function planText(terminal: Terminal, { program, report }: Good, costs: RuntimeCosts): string {
  const { machine, choice } = report;
  const say = (name: string, text: string) => fact(terminal, name, text);
  const facts = [
    ...say('runtime', `${choice.runtime}: ${choice.reason}`),
    ...choice.obstacles.flatMap(({ code, pointer, message }) =>
      say('', `${code} ${pointer}: ${message}`),
    ),
    ...say(
      'critical path',
      `${report.criticalPath.steps.join(' → ')} (about ${duration(report.criticalPath.estimateMs)})`,
    ),
    ...say('calls', `at most ${number(report.totalCalls)} in one execution, retries included`),
    ...(machine === null
      ? []
      : [
          ...say('state machine', `${machine.states} states, ${number(machine.bytes)} bytes`),
          ...say('transitions', `${span(machine.transitions)} at worst`),
          ...say('history events', `${span(machine.events)} at worst (of 25,000)`),
        ]),
    ...costsText(costs).flatMap((line, i) => say(i === 0 ? 'price' : '', line)),
    ...say('program', report.hash.slice(0, 16)),
  ];
  const steps = table(
    terminal,
    ['step', 'output', 'calls', 'type'],
    report.steps.map((step) => [
      step.path,
      `≤ ${number(step.maxOutputBytes)} B`,
      step.calls === 0 ? '' : step.calls === 1 ? '1 call' : `up to ${number(step.calls)} calls`,
      `${step.type}${step.live ? '' : ' (output unread)'}`,
    ]),
  );
  const title = terminal.style('bold', `${program.workflowId} ${program.version}`);
  return [title, ...facts, '', ...barriersText(terminal, report), steps].join('\n');
}

function span({ happy, worst }: { readonly happy: number; readonly worst: number }): string {
  return `${number(happy)} when all goes well, ${number(worst)}`;
}

/** `25,000`: the same in every locale. */
function number(value: number): string {
  return value.toLocaleString('en-US');
}

function barriersText(terminal: Terminal, { barriers }: WorkflowReport): string[] {
  if (barriers.length === 0) return [];
  const lines = barriers.flatMap(({ after, before, stretch }) =>
    wrap(
      `on Step Functions ${after.join(', ')} also wait${after.length === 1 ? 's' : ''} for ${before.join(', ')} (about ${stretch.toFixed(2)} times as long)`,
      terminal.width,
    ),
  );
  return [...lines, ''];
}

/** `cloudflow compile`: the state machine as it is sent to AWS. */
export async function compile(
  terminal: Terminal,
  path: string,
  options: { readonly stepRunner?: string },
): Promise<boolean> {
  const { file, checked } = check(path, options.stepRunner ?? STEP_RUNNER);
  if (checked.machine === null) {
    throw new CliError(
      'failed',
      'RUNTIME_UNAVAILABLE',
      `${file.name} runs on the engine only: Step Functions cannot run it`,
      { file, problems: checked.report.choice.obstacles.map((problem) => placed(file, problem)) },
    );
  }
  if (terminal.json) terminal.document(checked.machine);
  else terminal.out(`${jsonText(checked.machine, 2)}\n`);
  return true;
}

/** `cloudflow graph`: text on the terminal, or SVG. */
export async function graph(
  terminal: Terminal,
  path: string,
  options: { readonly svg?: string },
): Promise<boolean> {
  const { program } = check(path).checked;
  const { workflowId: workflow_id, version } = program;
  if (options.svg === undefined) {
    const text = drawText(program);
    if (terminal.json) terminal.document({ workflow_id, version, text });
    else {
      for (const line of text.trimEnd().split('\n')) {
        terminal.out(`${cutTo(printable(line), terminal.width)}\n`);
      }
    }
    return true;
  }
  const svg = drawSvg(program);
  const toFile = options.svg !== '-';
  if (toFile) writeTarget(options.svg, svg);
  if (terminal.json) {
    terminal.document({ workflow_id, version, ...(toFile ? { file: options.svg } : { svg }) });
  } else terminal.out(toFile ? `wrote ${printable(options.svg)}\n` : svg);
  return true;
}

/** A valid definition, or the end of the command with all that is wrong. */
function check(
  path: string,
  stepRunner = STEP_RUNNER,
): { readonly file: SourceFile; readonly checked: Good } {
  const file = readSource(path);
  const checked = checkWorkflow(parseDefinition(file), { stepRunner });
  if (checked.ok) return { file, checked };
  throw new CliError('failed', 'WORKFLOW_INVALID', `${file.name} is not a valid definition`, {
    file,
    problems: checked.problems.map((problem) => placed(file, problem)),
  });
}
