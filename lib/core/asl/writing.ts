import type { Program, Scope, Step, StepType } from '#core/plan/program.ts';
import { allSteps } from '#core/plan/program.ts';
import type { Known } from './classes.ts';
import { CLASS, classesOf, learn, mergeKnown } from './classes.ts';
import { StateNames } from './names.ts';
import type { RecordSource } from './records.ts';
import { expression, variableSource } from './records.ts';
import type { AslValue, Assign, Chart, State } from './types.ts';

/**
 * The machine while it is being written. States are written in the order in which they run; the ways
 * out of what has been written are `Exit`s, and writing the next thing connects them. So every state
 * has a way in, and what is known of the way there decides which states are needed at all.
 *
 * W1 Each variable belongs to one chart and its name says to which, so no inner chart assigns a name
 *    that exists outside (AWS refuses that), and branches cannot meet.
 * W2 On every way out of a step its record has been assigned, or is assigned by the state left.
 * W3 `pending` holds the steps whose records the runner may not have: a superset on any way.
 */
export interface Writing {
  readonly program: Program;
  readonly stepRunner: string;
  /** Steps may have results that were carried over (carried.ts). */
  readonly continues: boolean;
  /** Members of every payload besides what its task says. */
  readonly common: { readonly [name: string]: AslValue };
  readonly names: StateNames;
  /** What is known of a state besides its text, for the costs. */
  readonly hints: WeakMap<State, Hint>;
  /** How a step is called in records: its key, from the variables that hold its indices. */
  readonly keys: Map<number, AslValue>;
  readonly emitScope: (writing: Writing, place: Place, incoming: readonly Exit[]) => Exit[];
  charts: number;
}

export interface Hint {
  /** Where a Choice goes when all is well. */
  readonly happy?: string;
  /** The same, after the loop's body has run once. */
  readonly leave?: string;
  /** Iterations of a Map or of a loop whose head this is, at most. */
  readonly times?: number;
  /** The state that leads back to the head of a loop. */
  readonly back?: string;
  /** The step whose work a Task is. */
  readonly works?: StepType;
}

/** One scope of AWS variables: the machine, a Parallel's branch, a Map's iteration. */
export interface AslScope {
  readonly id: number;
  readonly outer: AslScope | null;
  readonly chart: Chart;
  /** Variables that hold step records, by topological number. */
  readonly records: Map<number, string>;
}

/** Where a step stands: in the definition and in the machine. */
export interface Place {
  readonly scope: Scope;
  readonly outer: Place | null;
  readonly asl: AslScope;
  /** Path of the container, `` at the root. */
  readonly path: string;
  /** Variables with the indices of the iterations around, outermost first. */
  readonly indices: readonly string[];
  readonly item: string | null;
  readonly index: string | null;
  readonly loop: {
    readonly index: string;
    readonly last: string;
    /** Bytes that `last` may have. */
    readonly lastBytes: number;
  } | null;
}

export type Sources = (step: Step) => RecordSource;

export interface Exit {
  readonly known: Known;
  readonly pending: ReadonlySet<Step>;
  /** Goes on with another state. */
  readonly connect: (next: string) => void;
  /** Ends the chart here; null where Amazon's language wants a state of its own for that. */
  readonly finish: ((output: (sources: Sources) => AslValue) => void) | null;
}

/** What is true on arrival, by whichever way. */
export interface Arrival {
  readonly known: Known;
  readonly pending: ReadonlySet<Step>;
}

export function newWriting(
  program: Program,
  emitScope: Writing['emitScope'],
  {
    stepRunner,
    unaccepted,
    continues,
  }: { readonly stepRunner: string; readonly unaccepted: boolean; readonly continues: boolean },
): Writing {
  const paths = [...allSteps(program.root)].map((step) => step.path);
  return {
    program,
    stepRunner,
    continues,
    common: {
      execution: expression('$states.context.Execution.Name'),
      ...(unaccepted ? { origin: originOf(program) } : {}),
    },
    names: new StateNames(paths),
    hints: new WeakMap(),
    keys: new Map(),
    emitScope,
    charts: 0,
  };
}

function originOf({ workflowId, version, hash }: Program): { [member: string]: AslValue } {
  return {
    workflow: workflowId,
    version,
    program: hash,
    input: expression('$states.context.Execution.Input'),
    started_at: expression('$states.context.Execution.StartTime'),
  };
}

export function newAslScope(writing: Writing, outer: AslScope | null): AslScope {
  const id = writing.charts;
  writing.charts += 1;
  return { id, outer, chart: { StartAt: '', States: {} }, records: new Map() };
}

/** The name of a variable of this chart (W1). */
export function variable(asl: AslScope, prefix: string, no: number): string {
  return asl.id === 0 ? `${prefix}${no}` : `${prefix}${no}_${asl.id}`;
}

export function addState<T extends State>(place: Place, name: string, state: T): T {
  place.asl.chart.States[name] = state;
  return state;
}

export function arrive(exits: readonly Exit[], next: string): Arrival {
  for (const exit of exits) exit.connect(next);
  return arrivalOf(exits);
}

export function arrivalOf(exits: readonly Exit[]): Arrival {
  const pending = new Set<Step>();
  for (const exit of exits) for (const step of stillPending(exit)) pending.add(step);
  return { known: mergeKnown(exits.map((exit) => exit.known)), pending };
}

/** Without the steps that must have succeeded here: the runner answered, so it has their records. */
export function stillPending({ known, pending }: Arrival): Set<Step> {
  return new Set(
    [...pending].filter(
      (step) =>
        step.type === 'wait' || step.continueOnFailure || classesOf(known, step.no) !== CLASS.S,
    ),
  );
}

/** The way into a chart. */
export function startOf(place: Place, arrival: Arrival): Exit {
  return {
    ...arrival,
    connect: (next) => {
      place.asl.chart.StartAt = next;
    },
    finish: null,
  };
}

/** The record of a step as this chart sees it. */
export function recordOf(place: Place, step: Step): RecordSource {
  for (let asl: AslScope | null = place.asl; asl !== null; asl = asl.outer) {
    const name = asl.records.get(step.no);
    if (name !== undefined) return variableSource(name);
  }
  throw new TypeError(`step '${step.path}' has no record yet`);
}

/** Declares the variable that holds a step's record in this chart. */
export function recordVariable(place: Place, step: Step): string {
  const name = variable(place.asl, 's', step.no);
  place.asl.records.set(step.no, name);
  return name;
}

type Leavable = Extract<State, { Next?: string }>;

/**
 * The ordinary way out of a state that writes records. Going on, it assigns them; ending the chart,
 * it puts them into the output instead: what a state assigns, its own output cannot see.
 */
export function leaving(
  place: Place,
  state: Leavable,
  records: ReadonlyMap<Step, RecordSource>,
  arrival: Arrival,
): Exit {
  for (const step of records.keys()) recordVariable(place, step);
  return {
    ...arrival,
    connect: (next) => {
      const assign: Assign = { ...state.Assign };
      for (const [step, source] of records) assign[recordVariable(place, step)] = source.value;
      if (Object.keys(assign).length > 0) state.Assign = assign;
      state.Output = {};
      state.Next = next;
    },
    finish: (output) => {
      delete state.Assign;
      state.Output = output((step) => records.get(step) ?? recordOf(place, step));
      state.End = true;
    },
  };
}

/** Ends a chart on all ways, with one Pass for those that cannot end by themselves. */
export function finishAll(
  place: Place,
  exits: readonly Exit[],
  passName: () => string,
  output: (arrival: Arrival) => (sources: Sources) => AslValue,
): void {
  const rest: Exit[] = [];
  for (const exit of exits) {
    if (exit.finish === null) rest.push(exit);
    else exit.finish(output(exit));
  }
  if (rest.length === 0) return;
  const name = passName();
  const arrival = arrive(rest, name);
  addState(place, name, {
    Type: 'Pass',
    Output: output(arrival)((step) => recordOf(place, step)),
    End: true,
  });
}

/** What is true after a step of this class, reported by the runner or not. */
export function after(arrival: Arrival, step: Step, classes: number, reported: boolean): Arrival {
  return {
    known: learn(arrival.known, step.no, classes),
    pending: reported ? new Set() : new Set([...arrival.pending, step]),
  };
}
