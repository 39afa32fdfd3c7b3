import { PRICES } from '#core/cost/prices.ts';
import { WORK_MS } from '#core/plan/pace.ts';
import { INFRASTRUCTURE_RETRIER } from './task.ts';
import type { Chart, State } from './types.ts';
import { targetsOf } from './types.ts';
import type { Hint } from './writing.ts';

/**
 * What an execution of a machine costs in transitions (which AWS bills) and history events (of which
 * it allows 25,000).
 *
 * `happy`: every step runs once and succeeds, branches take their first case, a for_each has one item,
 * a loop one iteration. `worst`: the longest way through, with every retry, item, iteration and
 * compensation that the definition allows. Infrastructure repetitions are in neither.
 */
export interface MachineCosts {
  readonly transitions: { readonly happy: number; readonly worst: number };
  readonly events: { readonly happy: number; readonly worst: number };
  /** Invocations of the step runner. */
  readonly tasks: { readonly happy: number };
  /** Milliseconds for which the step runner is paid: its own part, and the work of steps as `WORK_MS` guesses it. */
  readonly runnerMs: { readonly happy: number };
  /** Transitions of standard workflows, happy path. */
  readonly usdPerMillion: number;
}

type Hints = WeakMap<State, Hint>;

/** What the step runner itself takes for a task, to read what it must and to write what it did: a guess. */
const RUNNER_MS = 40;

/** Each execution has ExecutionStarted and its end besides the events of states. */
const EXECUTION_EVENTS = 2;

interface Measure {
  readonly own: (state: State, worst: boolean, hint: Hint | undefined) => number;
  /** Beside the events of the states in it, one iteration of a Map or branch of a Parallel has. */
  readonly perIteration: number;
}

const TRANSITIONS: Measure = {
  own: (state, worst) => 1 + (worst ? retries(state) : 0),
  perIteration: 0,
};
const EVENTS: Measure = { own: eventsOf, perIteration: 2 };
const TASKS: Measure = { own: ({ Type }) => (Type === 'Task' ? 1 : 0), perIteration: 0 };
const RUNNER: Measure = {
  own: ({ Type }, _, hint) =>
    Type === 'Task' ? RUNNER_MS + (hint?.works === undefined ? 0 : WORK_MS[hint.works]) : 0,
  perIteration: 0,
};

export function costsOf(chart: Chart, hints: Hints): MachineCosts {
  const happy = happyCost(chart, hints, TRANSITIONS);
  return {
    transitions: { happy, worst: worstCost(chart, hints, TRANSITIONS) },
    events: {
      happy: EXECUTION_EVENTS + happyCost(chart, hints, EVENTS),
      worst: EXECUTION_EVENTS + worstCost(chart, hints, EVENTS),
    },
    tasks: { happy: happyCost(chart, hints, TASKS) },
    runnerMs: { happy: happyCost(chart, hints, RUNNER) },
    usdPerMillion: Math.round(happy * PRICES['states.transition'].usd * 1e6 * 100) / 100,
  };
}

function retries(state: State): number {
  if (state.Type !== 'Task') return 0;
  return (state.Retry ?? [])
    .filter((retrier) => retrier !== INFRASTRUCTURE_RETRIER)
    .reduce((sum, retrier) => sum + retrier.MaxAttempts, 0);
}

function eventsOf(state: State, worst: boolean): number {
  switch (state.Type) {
    case 'Task':
      // Entered, Scheduled, Started, (Submitted,) Succeeded, Exited; three for each repetition.
      return (
        (state.Resource.endsWith('.waitForTaskToken') ? 6 : 5) + (worst ? 3 * retries(state) : 0)
      );
    case 'Parallel':
    case 'Map':
      return 4;
    case 'Fail':
      return 1;
    default:
      return 2;
  }
}

function happyCost(chart: Chart, hints: Hints, measure: Measure): number {
  const seen = new Set<string>();
  let cost = 0;
  let name: string | undefined = chart.StartAt;
  while (name !== undefined) {
    const state: State | undefined = chart.States[name];
    if (state === undefined) break;
    cost += measure.own(state, false, hints.get(state));
    if (state.Type === 'Parallel') {
      for (const branch of state.Branches) cost += happyCost(branch, hints, measure);
    }
    if (state.Type === 'Map') {
      cost += measure.perIteration + happyCost(state.ItemProcessor, hints, measure);
    }
    const again = seen.has(name);
    seen.add(name);
    name = happyNext(state, hints.get(state), again);
  }
  return cost;
}

function happyNext(state: State, hint: Hint | undefined, again: boolean): string | undefined {
  if (state.Type === 'Fail') return undefined;
  if (state.Type !== 'Choice') return state.Next;
  if (again && hint?.leave !== undefined) return hint.leave;
  return hint?.happy ?? state.Default;
}

function worstCost(chart: Chart, hints: Hints, measure: Measure): number {
  return new WorstWay(chart, hints, measure).from(chart.StartAt);
}

/**
 * The heaviest way through a chart. Ways back of loops are left out; the head of a loop weighs as much
 * as all its rounds instead.
 */
class WorstWay {
  readonly #chart: Chart;
  readonly #hints: Hints;
  readonly #measure: Measure;
  readonly #weights = new Map<string, number>();
  readonly #from = new Map<string, number>();
  readonly #backs = new Set<string>();

  constructor(chart: Chart, hints: Hints, measure: Measure) {
    this.#chart = chart;
    this.#hints = hints;
    this.#measure = measure;
    for (const state of Object.values(chart.States)) {
      const back = hints.get(state)?.back;
      if (back !== undefined) this.#backs.add(back);
    }
  }

  from(name: string): number {
    const known = this.#from.get(name);
    if (known !== undefined) return known;
    let most = 0;
    for (const target of this.#targets(name)) most = Math.max(most, this.from(target));
    const cost = this.#weight(name) + most;
    this.#from.set(name, cost);
    return cost;
  }

  #state(name: string): State {
    const state = this.#chart.States[name];
    if (state === undefined) throw new TypeError(`no state '${name}'`);
    return state;
  }

  /** Without the way back to the head of a loop. */
  #targets(name: string): readonly string[] {
    const state = this.#state(name);
    if (!this.#backs.has(name)) return targetsOf(state);
    return state.Type === 'Choice' ? state.Choices.map((rule) => rule.Next) : [];
  }

  #weight(name: string): number {
    const known = this.#weights.get(name);
    if (known !== undefined) return known;
    const state = this.#state(name);
    const hint = this.#hints.get(state);
    let weight = this.#own(state, hint);
    if (hint?.back !== undefined) {
      const back = this.#state(hint.back);
      const again =
        back.Type === 'Choice' ? back.Default : back.Type === 'Pass' ? back.Next : undefined;
      // The head itself weighs only itself inside its own round.
      this.#weights.set(name, weight);
      const round = again === undefined ? 0 : this.#between(again, hint.back, new Map());
      weight += (hint.times ?? 0) * Math.max(round, 0);
    }
    this.#weights.set(name, weight);
    return weight;
  }

  #own(state: State, hint: Hint | undefined): number {
    let weight = this.#measure.own(state, true, hint);
    if (state.Type === 'Parallel') {
      for (const branch of state.Branches) weight += worstCost(branch, this.#hints, this.#measure);
    }
    if (state.Type === 'Map') {
      const round =
        this.#measure.perIteration + worstCost(state.ItemProcessor, this.#hints, this.#measure);
      weight += (hint?.times ?? 1) * round;
    }
    return weight;
  }

  /** The heaviest way from one state to another, both counted; negative when there is none. */
  #between(from: string, to: string, known: Map<string, number>): number {
    if (from === to) return this.#weight(to);
    const found = known.get(from);
    if (found !== undefined) return found;
    let most = Number.NEGATIVE_INFINITY;
    for (const target of this.#targets(from)) {
      most = Math.max(most, this.#between(target, to, known));
    }
    const cost = most === Number.NEGATIVE_INFINITY ? most : this.#weight(from) + most;
    known.set(from, cost);
    return cost;
  }
}
