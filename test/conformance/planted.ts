/**
 * Faults of meaning, each put between the parts of one side through a seam: what the suite is worth is
 * how soon it notices them.
 */
import { failureCause } from '#core/asl/payload.ts';
import type { Machine } from '#core/asl/types.ts';
import { isJsonObject, type Json, type JsonObject } from '#core/json.ts';
import type { Program, Scope, Step } from '#core/plan/program.ts';
import type { StepPerformer } from '#engine/deps.ts';
import type { Tasks } from '#local/asl/runtime-types.ts';
import type { Seams } from './process.ts';

export interface PlantedFault {
  readonly name: string;
  readonly on: 'engine' | 'step_functions';
  readonly seams: Seams;
}

export const PLANTED_FAULTS: readonly PlantedFault[] = [
  onEngine('none_failed is taken for all_success', {
    program: eachStep((step) =>
      step.trigger === 'none_failed' ? { ...step, trigger: 'all_success' } : step,
    ),
  }),
  onEngine('all_failed fires when one has failed', {
    program: eachStep((step) =>
      step.trigger === 'all_failed' ? { ...step, trigger: 'one_failed' } : step,
    ),
  }),
  onEngine('one retry more than asked for', {
    program: eachStep((step) =>
      'retry' in step
        ? { ...step, retry: { ...step.retry, maxAttempts: step.retry.maxAttempts + 1 } }
        : step,
    ),
  }),
  onEngine('delays between retries do not grow', {
    program: eachStep((step) =>
      'retry' in step ? { ...step, retry: { ...step.retry, rate: 1 } } : step,
    ),
  }),
  onEngine('continue_on_failure is forgotten', {
    program: eachStep((step) => ({ ...step, continueOnFailure: false })),
  }),
  onEngine('one item more than max_items is let through', {
    program: eachStep((step) =>
      step.type === 'for_each' ? { ...step, maxItems: step.maxItems + 1 } : step,
    ),
  }),
  onEngine('a loop may go on once more', {
    program: eachStep((step) =>
      step.type === 'loop' ? { ...step, maxIterations: step.maxIterations + 1 } : step,
    ),
  }),
  onEngine('budgets count characters, not bytes', { performer: countingCharacters }),
  onMachine('compensations run in order of completion', {
    tasks: answering('ledger', (answer) => ({
      ...answer,
      steps: (answer['steps'] as Json[]).toReversed(),
    })),
  }),
  onMachine('skipped behind a failure is skipped like any other', {
    machine: rewritten([
      ['"k":"U"', '"k":"K"'],
      ["'U'", "'K'"],
    ]),
  }),
  onMachine('$index counts from one', {
    machine: rewritten([
      ['$states.context.Map.Item.Index %}', '$states.context.Map.Item.Index + 1 %}'],
    ]),
  }),
  onMachine('when takes whatever is truthy for true', {
    machine: rewritten([[') = true', ') ~> $boolean = true']]),
  }),
  onMachine('a branch takes the last case that holds', {
    machine: eachState((state) => {
      if (state['Type'] !== 'Choice') return state;
      return { ...state, Choices: (state['Choices'] as Json[]).toReversed() };
    }),
  }),
  onMachine('a loop is tested after its body', { machine: loopsTestAfter }),
  onMachine('the name of an error is lost', { tasks: losingNames }),
  onMachine('the words of an error are lost', { tasks: losingWords }),
  onMachine('a timeout says something else', {
    machine: rewritten([['no answer within', 'nobody answered within']]),
  }),
  onMachine('the default output misses its last step', { machine: eachState(outputMissesOne) }),
  onMachine('items of a for_each come in reverse', {
    tasks: answering('items', (answer) => ({
      ...answer,
      items: (answer['items'] as Json[]).toReversed(),
    })),
  }),
  onMachine('an output that is too large is cut to null', { tasks: cuttingLarge }),
];

function onEngine(name: string, seams: Seams): PlantedFault {
  return { name, on: 'engine', seams };
}

function onMachine(name: string, seams: Seams): PlantedFault {
  return { name, on: 'step_functions', seams };
}

// ── programs ─────────────────────────────────────────────────────────────────────────────────

function eachStep(change: (step: Step) => Step): (program: Program) => Program {
  const known = new WeakMap<Program, Program>();
  const inScope = (scope: Scope): Scope => ({ ...scope, steps: scope.steps.map(inStep) });
  const inStep = (step: Step): Step => {
    const changed = change(step);
    if (changed.type === 'branch') {
      const cases = changed.cases.map((each) => ({ ...each, body: inScope(each.body) }));
      const otherwise = changed.otherwise === null ? null : inScope(changed.otherwise);
      return { ...changed, cases, otherwise };
    }
    return 'body' in changed ? { ...changed, body: inScope(changed.body) } : changed;
  };
  return (program) => {
    const made = known.get(program) ?? { ...program, root: inScope(program.root) };
    known.set(program, made);
    return made;
  };
}

function countingCharacters(performer: StepPerformer): StepPerformer {
  return {
    ...performer,
    async call(call) {
      const { step } = call;
      const result = await performer.call({ ...call, step: { ...step, maxOutputBytes: 1e9 } });
      if (!result.ok || [...JSON.stringify(result.output)].length <= step.maxOutputBytes) {
        return result;
      }
      return { ok: false, error: { code: 'CloudFlow.OutputTooLarge', message: 'too large' } };
    },
  };
}

// ── machines ─────────────────────────────────────────────────────────────────────────────────

function rewritten(changes: readonly (readonly [string, string])[]): (machine: Machine) => Machine {
  return (machine) => {
    let text = JSON.stringify(machine);
    for (const [from, to] of changes) text = text.replaceAll(from, to);
    return JSON.parse(text) as Machine;
  };
}

/** Every state of a machine, those inside others first. */
function eachState(
  change: (state: JsonObject, name: string) => JsonObject,
): (machine: Machine) => Machine {
  const inChart = (chart: JsonObject): JsonObject => ({
    ...chart,
    States: Object.fromEntries(
      Object.entries(chart['States'] as JsonObject).map(([name, state]) => [
        name,
        change(inside(state as JsonObject), name),
      ]),
    ),
  });
  const inside = (state: JsonObject): JsonObject => {
    const branches = state['Branches'] as JsonObject[] | undefined;
    const processor = state['ItemProcessor'] as JsonObject | undefined;
    return {
      ...state,
      ...(branches === undefined ? {} : { Branches: branches.map(inChart) }),
      ...(processor === undefined ? {} : { ItemProcessor: inChart(processor) }),
    };
  };
  return (machine) => inChart(machine as unknown as JsonObject) as unknown as Machine;
}

/** `x.start` goes to the first state of the body, past the test in `x`. */
function loopsTestAfter(machine: Machine): Machine {
  const into = new Map<string, Json>();
  eachState((state, name) => {
    const [first] = (state['Choices'] ?? []) as JsonObject[];
    if (first !== undefined) into.set(name, first['Next'] as Json);
    return state;
  })(machine);
  return eachState((state, name) => {
    const body = into.get(String(state['Next']));
    return name.endsWith('.start') && body !== undefined ? { ...state, Next: body } : state;
  })(machine);
}

function outputMissesOne(state: JsonObject, name: string): JsonObject {
  if (name !== 'cf.report') return state;
  const given = state['Arguments'] as { readonly Payload: JsonObject };
  const { output } = given.Payload;
  if (output === undefined || !isJsonObject(output)) return state;
  const left = Object.fromEntries(Object.entries(output).slice(0, -1));
  return { ...state, Arguments: { ...given, Payload: { ...given.Payload, output: left } } };
}

// ── tasks ────────────────────────────────────────────────────────────────────────────────────

function answering(
  kind: string,
  change: (answer: JsonObject) => JsonObject,
): (tasks: Tasks) => Tasks {
  return (tasks) => ({
    ...tasks,
    async invokeLambda(request) {
      const outcome = await tasks.invokeLambda(request);
      const isMeant = isJsonObject(request.payload) && request.payload['kind'] === kind;
      if (!outcome.ok || !isMeant || !isJsonObject(outcome.payload)) return outcome;
      return { ...outcome, payload: change(outcome.payload) };
    },
  });
}

function losingNames(tasks: Tasks): Tasks {
  return {
    ...tasks,
    async invokeLambda(request) {
      const outcome = await tasks.invokeLambda(request);
      return outcome.ok ? outcome : { ...outcome, error: 'CloudFlow.Internal' };
    },
  };
}

function losingWords(tasks: Tasks): Tasks {
  return {
    ...tasks,
    async invokeLambda(request) {
      const outcome = await tasks.invokeLambda(request);
      if (outcome.ok || outcome.cause === null) return outcome;
      const failure = JSON.parse(outcome.cause) as { errorType: string; errorMessage: string };
      if (!failure.errorMessage.startsWith('{')) return outcome;
      const { attempts } = JSON.parse(failure.errorMessage) as { attempts: number };
      return { ...outcome, cause: failureCause(failure.errorType, { attempts, message: '' }) };
    },
  };
}

/** What the runner refused as too large arrives as a success without an output. */
function cuttingLarge(tasks: Tasks): Tasks {
  return {
    ...tasks,
    async invokeLambda(request) {
      const outcome = await tasks.invokeLambda(request);
      if (outcome.ok || outcome.error !== 'CloudFlow.OutputTooLarge') return outcome;
      return { ok: true, payload: { output: null, attempts: 1 } };
    },
  };
}
