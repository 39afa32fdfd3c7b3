import type { Problem } from '#core/errors.ts';
import { checkExpression, type Reads } from './check-expression.ts';
import { STATE_NAME_LIMIT } from './names.ts';
import type { Assign, Chart, State } from './types.ts';
import { chartsOf, targetsOf } from './types.ts';

/**
 * Our own checks of a machine: what AWS refuses and asl-validator does not see, or what would end an
 * execution without a word. None can fail for a machine that the emitters write as they should; that
 * is what E_ASL_INTERNAL means.
 *
 *  M1 Names are unique in the machine and short enough; every state is reached and every way leads on.
 *  M2 A variable that an expression reads has been assigned on every way to its state, and no chart
 *     assigns a name that a chart around it assigns.
 *  M3 `States.ALL` stands alone and last; a heartbeat is shorter than its timeout.
 *  M4 Expressions read `$states` only where AWS provides it, in the dialect that AWS has.
 */
export function checkMachine(machine: Chart): Problem[] {
  const check = new Check();
  check.chart(machine, new Set(), new Set());
  return check.problems.map((message) => ({ code: 'E_ASL_INTERNAL', pointer: '', message }));
}

type Names = ReadonlySet<string>;

/** Where an expression stands decides what of `$states` it sees. */
type Standing = 'before' | 'after' | 'caught';

interface Found {
  readonly text: string;
  readonly standing: Standing;
}

const CONTROL = /\p{Cc}/u;

class Check {
  readonly problems: string[] = [];
  readonly #names = new Set<string>();
  readonly #texts = new Map<string, Reads>();

  /** `outer`: variables assigned on entry; `taken`: names that charts around assign anywhere. */
  chart(chart: Chart, outer: Names, taken: Names): void {
    for (const name of Object.keys(chart.States)) this.#name(name);
    if (!this.#leadsOn(chart)) return;
    const own = assignedIn(chart);
    for (const name of own) {
      if (taken.has(name)) this.problems.push(`'$${name}' is assigned inside and outside`);
    }
    const around = new Set([...taken, ...own]);
    const known = definite(chart, outer);
    for (const [name, state] of Object.entries(chart.States)) {
      const here = known.get(name);
      if (here === undefined) {
        this.problems.push(`state '${name}' is not reachable`);
        continue;
      }
      this.#state(name, state, here);
      for (const inner of chartsOf(state)) this.chart(inner, here, around);
    }
  }

  #name(name: string): void {
    if (this.#names.has(name)) this.problems.push(`two states are called '${name}'`);
    this.#names.add(name);
    if (name.length === 0 || name.length > STATE_NAME_LIMIT || CONTROL.test(name)) {
      this.problems.push(`'${name}' cannot be the name of a state`);
    }
  }

  #leadsOn(chart: Chart): boolean {
    const before = this.problems.length;
    if (!Object.hasOwn(chart.States, chart.StartAt)) {
      this.problems.push(`a chart starts at '${chart.StartAt}', which it has not`);
    }
    let ends = false;
    for (const [name, state] of Object.entries(chart.States)) {
      for (const target of targetsOf(state)) {
        if (!Object.hasOwn(chart.States, target)) {
          this.problems.push(`state '${name}' leads to '${target}', which its chart has not`);
        }
      }
      if (state.Type === 'Fail') ends = true;
      else if (state.Type !== 'Choice') {
        if ((state.Next === undefined) === (state.End === undefined)) {
          this.problems.push(`state '${name}' has to have either Next or End`);
        }
        ends ||= state.End === true;
      } else if (state.Choices.length === 0) this.problems.push(`'${name}' chooses from nothing`);
    }
    if (!ends) this.problems.push(`the chart of '${chart.StartAt}' has no end`);
    return this.problems.length === before;
  }

  #state(name: string, state: State, known: Names): void {
    if (state.Type === 'Task') {
      const { TimeoutSeconds, HeartbeatSeconds } = state;
      if (HeartbeatSeconds !== undefined && !(HeartbeatSeconds < (TimeoutSeconds ?? Infinity))) {
        this.problems.push(`the heartbeat of '${name}' is not shorter than its timeout`);
      }
      this.#errorLists(name, state.Retry ?? []);
    }
    if ('Catch' in state) this.#errorLists(name, state.Catch ?? []);
    for (const { text, standing } of expressionsIn(state)) {
      for (const problem of this.#text(text, standing, known)) {
        this.problems.push(`state '${name}': ${problem} in ${text}`);
      }
    }
  }

  #errorLists(name: string, lists: readonly { readonly ErrorEquals: readonly string[] }[]): void {
    for (const [i, { ErrorEquals }] of lists.entries()) {
      if (!ErrorEquals.includes('States.ALL')) continue;
      if (ErrorEquals.length > 1 || i < lists.length - 1) {
        this.problems.push(`'States.ALL' of '${name}' does not stand alone and last`);
      }
    }
  }

  *#text(text: string, standing: Standing, known: Names): Generator<string> {
    let reads = this.#texts.get(text);
    if (reads === undefined) {
      reads = checkExpression(text);
      this.#texts.set(text, reads);
    }
    yield* reads.problems;
    for (const variable of reads.variables) {
      if (!known.has(variable)) yield `'$${variable}' may not have been assigned`;
    }
    if (reads.result && standing !== 'after') yield '$states.result is not there';
    if (reads.errorOutput && standing !== 'caught') yield '$states.errorOutput is not there';
  }
}

/** Names that the states of a chart assign, not those of charts inside. */
function assignedIn(chart: Chart): Set<string> {
  const names = new Set<string>();
  for (const state of Object.values(chart.States)) {
    for (const [, assign] of waysOf(state)) for (const name of Object.keys(assign)) names.add(name);
  }
  return names;
}

/** Ways out of a state with what is assigned on them. */
function waysOf(state: State): (readonly [string, Assign])[] {
  if (state.Type === 'Fail') return [];
  if (state.Type === 'Choice') {
    return [
      ...state.Choices.map((rule) => [rule.Next, rule.Assign ?? {}] as const),
      [state.Default, state.Assign ?? {}],
    ];
  }
  const ways: (readonly [string, Assign])[] = [];
  if (state.Next !== undefined) ways.push([state.Next, state.Assign ?? {}]);
  if ('Catch' in state) {
    for (const catcher of state.Catch ?? []) ways.push([catcher.Next, catcher.Assign ?? {}]);
  }
  return ways;
}

/** For each state that is reached, the variables that are assigned on every way to it. */
function definite(chart: Chart, outer: Names): Map<string, Names> {
  const known = new Map<string, Names>([[chart.StartAt, outer]]);
  const work = [chart.StartAt];
  for (let name = work.pop(); name !== undefined; name = work.pop()) {
    const state = chart.States[name];
    const here = known.get(name);
    if (state === undefined || here === undefined) continue;
    for (const [next, assign] of waysOf(state)) {
      const there = known.get(next);
      const arriving = new Set([...here, ...Object.keys(assign)]);
      const both = there === undefined ? arriving : there.intersection(arriving);
      if (there !== undefined && both.size === there.size) continue;
      known.set(next, both);
      work.push(next);
    }
  }
  return known;
}

const AFTER = ['Assign', 'Output'];
const CHARTS = ['Branches', 'ItemProcessor'];

function* expressionsIn(state: State): Generator<Found> {
  for (const [field, value] of Object.entries(state)) {
    if (CHARTS.includes(field)) continue;
    if (field === 'Catch') yield* within(value, 'caught');
    else if (!AFTER.includes(field)) yield* within(value, 'before');
    else yield* within(value, hasResult(state) ? 'after' : 'before');
  }
}

function hasResult(state: State): boolean {
  return state.Type === 'Task' || state.Type === 'Parallel' || state.Type === 'Map';
}

function* within(value: unknown, standing: Standing): Generator<Found> {
  if (typeof value === 'string') {
    if (value.startsWith('{%')) yield { text: value, standing };
  } else if (typeof value === 'object' && value !== null) {
    for (const member of Object.values(value)) yield* within(member, standing);
  }
}
