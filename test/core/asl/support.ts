import { createRequire } from 'node:module';
import { expect } from 'vitest';
import { type CompileOptions, compileMachine, type MachineStats } from '#core/asl/compile.ts';
import type {
  Catcher,
  Chart,
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

/** Compiles and insists on a machine that asl-validator takes as well. */
export function compiled(program: Program, options?: CompileOptions): Compiled {
  const result = compileMachine(program, options);
  if (!result.ok) throw new Error(JSON.stringify(result.problems, null, 1));
  const { machine, stats } = result;
  expect(validationErrors(machine)).toBeNull();
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
