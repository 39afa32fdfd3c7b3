/** Makes a failing scenario small: delta debugging over its steps, their members and the world. */
import { isJsonObject, type Json, type JsonObject } from '#core/json.ts';
import { NotCompiled, programOf, type Scenario } from './harness.ts';

const MOST_TRIES = 600;

/** The smallest scenario found that still `fails`. Changes nothing that it was given. */
export async function shrink(
  scenario: Scenario,
  fails: (candidate: Scenario) => Promise<boolean>,
): Promise<Scenario> {
  let best = scenario;
  let tries = 0;
  for (let again = true; again; ) {
    again = false;
    for (const candidate of smaller(best)) {
      if (tries >= MOST_TRIES) return best;
      if (!isValid(candidate)) continue;
      tries += 1;
      if (!(await fails(candidate))) continue;
      best = candidate;
      again = true;
      break;
    }
  }
  return best;
}

function isValid(scenario: Scenario): boolean {
  try {
    for (const each of [scenario.workflow, ...(scenario.others ?? [])]) programOf(each);
    return true;
  } catch (error) {
    if (error instanceof NotCompiled) return false;
    throw error;
  }
}

function* smaller(scenario: Scenario): Generator<Scenario> {
  for (const workflow of smallerDocuments(scenario.workflow)) yield { ...scenario, workflow };
  const { others = [], world = {} } = scenario;
  for (const i of others.keys()) yield { ...scenario, others: others.filter((_, k) => k !== i) };
  for (const [i, each] of others.entries()) {
    for (const other of smallerDocuments(each)) {
      yield { ...scenario, others: others.map((known, k) => (k === i ? other : known)) };
    }
  }
  for (const part of ['http', 'answers', 'away'] as const) {
    for (const key of Object.keys(world[part] ?? {})) {
      const rest = Object.fromEntries(
        Object.entries(world[part] ?? {}).filter(([name]) => name !== key),
      );
      yield { ...scenario, world: { ...world, [part]: rest } };
    }
  }
  if (isJsonObject(scenario.input)) {
    for (const input of without(scenario.input, [])) yield { ...scenario, input };
  }
}

function* smallerDocuments(workflow: JsonObject): Generator<JsonObject> {
  for (const steps of smallerSteps(workflow['steps'] as readonly JsonObject[])) {
    yield { ...workflow, steps };
  }
  if ('output' in workflow) yield* without(workflow, ['workflow_id', 'version', 'steps']);
}

function* smallerSteps(steps: readonly JsonObject[]): Generator<JsonObject[]> {
  for (const [at, gone] of steps.entries()) {
    if (steps.length > 1) yield steps.filter((_, i) => i !== at).map((each) => cut(each, gone));
  }
  for (const [at, step] of steps.entries()) {
    for (const next of smallerStep(step)) {
      yield steps.map((each, i) => (i === at ? next : each));
    }
    // What is in a container may not need it.
    for (const inner of scopesOf(step)) {
      if (steps.length === 1) yield [...inner];
    }
  }
}

/** The step without a dependency on one that is gone; what that one waited for is not inherited. */
function cut(step: JsonObject, gone: JsonObject): JsonObject {
  const dependsOn = step['depends_on'] as readonly string[] | undefined;
  if (dependsOn?.includes(gone['id'] as string) !== true) return step;
  const { depends_on: _, ...rest } = step;
  const left = dependsOn.filter((id) => id !== gone['id']);
  return left.length === 0 ? rest : { ...rest, depends_on: left };
}

function* smallerStep(step: JsonObject): Generator<JsonObject> {
  yield* without(step, ['id', 'type', 'config']);
  const config = step['config'];
  if (!isJsonObject(config)) return;
  for (const next of without(config, [])) yield { ...step, config: next };
  for (const key of ['steps', 'else']) {
    const inner = config[key] as readonly JsonObject[] | undefined;
    for (const steps of inner === undefined ? [] : smallerSteps(inner)) {
      yield { ...step, config: { ...config, [key]: steps } };
    }
  }
  const cases = (config['cases'] ?? []) as readonly JsonObject[];
  for (const [i, one] of cases.entries()) {
    if (cases.length > 1) {
      yield { ...step, config: { ...config, cases: cases.filter((_, k) => k !== i) } };
    }
    for (const steps of smallerSteps(one['steps'] as readonly JsonObject[])) {
      const changed = cases.map((each, k) => (k === i ? { ...each, steps } : each));
      yield { ...step, config: { ...config, cases: changed } };
    }
  }
  if (!isPlain(config['value'])) yield { ...step, config: { ...config, value: 1 } };
}

function isPlain(value: Json | undefined): boolean {
  return value === undefined || value === 1;
}

function scopesOf(step: JsonObject): (readonly JsonObject[])[] {
  const config = step['config'];
  if (!isJsonObject(config)) return [];
  const scopes = [config['steps'], config['else']].filter(Array.isArray) as JsonObject[][];
  for (const one of (config['cases'] ?? []) as JsonObject[])
    scopes.push(one['steps'] as JsonObject[]);
  return scopes;
}

function* without(object: JsonObject, kept: readonly string[]): Generator<JsonObject> {
  for (const key of Object.keys(object)) {
    if (kept.includes(key)) continue;
    const { [key]: _, ...rest } = object;
    yield rest;
  }
}
