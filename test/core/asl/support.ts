import { createRequire } from 'node:module';
import { afterAll, expect } from 'vitest';
import { type CompileOptions, compileMachine, type MachineStats } from '#core/asl/compile.ts';
import type {
  Catcher,
  Chart,
  ChoiceRule,
  ChoiceState,
  Machine,
  MapState,
  ParallelState,
  State,
  TaskState,
} from '#core/asl/types.ts';
import { chartsOf } from '#core/asl/types.ts';
import { validatorView } from '#core/asl/validator-view.ts';
import { isJsonObject, type Json, type JsonObject } from '#core/json.ts';
import { checkDefinition } from '#core/plan/check.ts';
import type { Program } from '#core/plan/program.ts';

// The package has no types that its `exports` would lead to.
const validate = createRequire(import.meta.url)('asl-validator') as (machine: unknown) => {
  readonly isValid: boolean;
  readonly errorsText: () => string;
};

type Definition = { readonly [key: string]: unknown };

export function programOf(steps: readonly Definition[], workflow: Definition = {}): Program {
  const document = { workflow_id: 'test', version: '1.0.0', ...workflow, steps };
  const checked = checkDefinition(document);
  if (!checked.ok) throw new Error(JSON.stringify(checked.problems, null, 1));
  return checked.program;
}

export function validationErrors(machine: Machine): string | null {
  const { isValid, errorsText } = validate(validatorView(machine));
  return isValid ? null : errorsText();
}

/**
 * asl-validator compiles its schemas anew for each machine, a tenth of a second or more. So all
 * machines of a test file go through it together, as the branches of one, under names of their own.
 */
const written: Machine[] = [];

afterAll(() => {
  if (written.length === 0) return;
  const together: Machine = {
    Comment: 'all machines of a test file',
    QueryLanguage: 'JSONata',
    StartAt: 'all',
    States: { all: { Type: 'Parallel', End: true, Branches: written.map(renamed) } },
  };
  if (validationErrors(together) === null) return;
  expect(written.map(validationErrors).filter((errors) => errors !== null)).toEqual([]);
  throw new Error(`only together: ${validationErrors(together)}`);
});

function renamed(chart: Chart, prefix: string | number): Chart {
  const names = Object.keys(chart.States);
  const rename = (name: string): string => `${prefix}.${names.indexOf(name)}`;
  const states = names.map((name): [string, State] => {
    const clone = structuredClone(chart.States[name]) as State;
    for (const one of waysOf(clone)) {
      if (one.Next !== undefined) one.Next = rename(one.Next);
      if (one.Default !== undefined) one.Default = rename(one.Default);
    }
    if (clone.Type === 'Parallel') {
      clone.Branches = clone.Branches.map((branch, i) => renamed(branch, `${rename(name)}.${i}`));
    }
    if (clone.Type === 'Map') {
      Object.assign(clone.ItemProcessor, renamed(clone.ItemProcessor, `${rename(name)}.m`));
    }
    return [rename(name), clone];
  });
  return { StartAt: rename(chart.StartAt), States: Object.fromEntries(states) };
}

interface Way {
  Next?: string;
  Default?: string;
}

function waysOf(state: State): Way[] {
  const lists = state as Way & { Catch?: Catcher[]; Choices?: ChoiceRule[] };
  return [lists, ...(lists.Catch ?? []), ...(lists.Choices ?? [])];
}

export interface Compiled {
  readonly machine: Machine;
  readonly stats: MachineStats;
  /** All states of the machine, those of inner charts as well. */
  readonly states: ReadonlyMap<string, State>;
  readonly task: (name: string) => TaskState;
  readonly choice: (name: string) => ChoiceState;
  readonly parallel: (name: string) => ParallelState;
  readonly map: (name: string) => MapState;
  readonly payload: (name: string) => JsonObject;
  /** Where a state leads when all is well. */
  readonly next: (name: string) => string | undefined;
  /** Where a Task leads when its step fails. */
  readonly failsTo: (name: string) => string | undefined;
}

/** Compiles; asl-validator looks at the machine when the test file is done. */
export function compiled(program: Program, options?: CompileOptions): Compiled {
  const result = compileMachine(program, options);
  if (!result.ok) throw new Error(JSON.stringify(result.problems, null, 1));
  const { machine, stats } = result;
  written.push(machine);
  const states = new Map<string, State>();
  collect(machine, states);
  const as =
    <T extends State>(type: T['Type']) =>
    (name: string): T => {
      const state = states.get(name);
      if (state?.Type !== type) throw new Error(`no ${type} '${name}' in ${[...states.keys()]}`);
      return state as T;
    };
  const task = as<TaskState>('Task');
  return {
    machine,
    stats,
    states,
    task,
    choice: as<ChoiceState>('Choice'),
    parallel: as<ParallelState>('Parallel'),
    map: as<MapState>('Map'),
    payload: (name) => object(object(task(name).Arguments)['Payload'] ?? null),
    next: (name) => {
      const state = states.get(name);
      return state !== undefined && 'Next' in state ? state.Next : undefined;
    },
    failsTo: (name) => lastCatcher(task(name))?.Next,
  };
}

export function steps(list: readonly Definition[], workflow: Definition = {}): Compiled {
  return compiled(programOf(list, workflow));
}

export function lastCatcher(state: { Catch?: Catcher[] }): Catcher | undefined {
  return state.Catch?.at(-1);
}

function collect(chart: Chart, into: Map<string, State>): void {
  for (const [name, state] of Object.entries(chart.States)) {
    into.set(name, state);
    for (const inner of chartsOf(state)) collect(inner, into);
  }
}

export function object(value: Json): JsonObject {
  if (!isJsonObject(value)) throw new Error(`not an object: ${JSON.stringify(value)}`);
  return value;
}

/** Every expression of a machine, without `{%` and `%}`. */
export function expressionsIn(value: unknown, found: string[] = []): string[] {
  if (typeof value === 'string') {
    if (value.startsWith('{%')) found.push(value.slice(2, -2).trim());
  } else if (typeof value === 'object' && value !== null) {
    for (const member of Object.values(value)) expressionsIn(member, found);
  }
  return found;
}

export const call = (id: string, more: Definition = {}): Definition => ({
  id,
  type: 'http_request',
  max_output_bytes: 500,
  ...more,
  config: { url: 'https://world.test/', ...(more['config'] as Definition | undefined) },
});

export const transform = (id: string, value: unknown, more: Definition = {}): Definition => ({
  id,
  type: 'transform',
  max_output_bytes: 500,
  ...more,
  config: { value },
});
