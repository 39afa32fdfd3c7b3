/**
 * Random workflows for the differential suite: every construct of the language, an input of odd
 * values, and a world that fails in every way it can. A seed gives the same scenario everywhere.
 *
 * Left out is what rule 41 leaves out: cancelling, workflow timeouts, `halt`, and things that happen
 * at the very instant of something that they race with.
 */
import type { Json, JsonObject } from '#core/json.ts';
import { type STEP_TYPES, TRIGGER_RULES } from '#core/plan/program.ts';
import { createRandom, type Random } from '#test/simulation/random.ts';
import type { HttpAnswer, ScriptedAnswer } from './case.ts';
import {
  condition,
  randomInput,
  shaping,
  template,
  text,
  type View,
  value,
  wrap,
} from './expressions.ts';
import { NotCompiled, programOf, type Scenario } from './harness.ts';
import { isTimed, readsTimes } from './timed.ts';

interface Writing {
  readonly random: Random;
  /** Steps that may still be written. */
  room: number;
  readonly children: readonly string[];
  readonly http: { [step: string]: HttpAnswer[] };
  readonly answers: { [step: string]: ScriptedAnswer[] };
  readonly away: { [step: string]: number };
}

interface Scope {
  readonly path: string;
  readonly depth: number;
  readonly outer: View;
  /** Told apart where several scopes have one path. */
  readonly arm?: string;
}

/** How many documents were refused before one was taken, by the first code. */
export type Refusals = Map<string, number>;

const MOST_TRIES = 200;

/** The scenario of a seed. What a static check refuses, or what cannot be compared, is written anew. */
export function generate(seed: number, refusals: Refusals = new Map()): Scenario {
  const random = createRandom(seed);
  for (let tries = 0; tries < MOST_TRIES; tries++) {
    const scenario = write(random, seed);
    try {
      for (const definition of [scenario.workflow, ...(scenario.others ?? [])]) {
        programOf(definition);
      }
      const timed = isTimed(scenario) && scenario.retry === undefined;
      if (timed || !readsTimes(scenario)) return scenario;
      refusals.set('times', (refusals.get('times') ?? 0) + 1);
    } catch (error) {
      if (!(error instanceof NotCompiled)) throw error;
      const [code = ''] = error.codes;
      refusals.set(code, (refusals.get(code) ?? 0) + 1);
    }
  }
  throw new Error(`seed ${seed} gives no valid workflow in ${MOST_TRIES} tries`);
}

function write(random: Random, seed: number): Scenario {
  const withChildren = random.chance(0.16);
  const script = { http: {}, answers: {}, away: {} };
  const writing: Writing = {
    random,
    room: random.int(3, 13),
    children: withChildren ? ['child-one', 'child-two', 'child-ping', 'nowhere'] : [],
    ...script,
  };
  const workflow = definition(writing, 'random', random.int(2, 8));
  const others = withChildren
    ? [
        definition({ ...writing, room: 3, children: [] }, 'child-one', random.int(1, 3)),
        definition({ ...writing, room: 2, children: [] }, 'child-two', 1),
        // They start each other for ever: the depth of nesting ends it.
        pingPong('child-ping', 'child-pong'),
        pingPong('child-pong', 'child-ping'),
      ]
    : [];
  const scenario = { name: `seed ${seed}`, workflow, others, input: randomInput(random) };
  return { ...scenario, world: script, ...(random.chance(0.3) ? { retry: again(random) } : {}) };
}

/** A retry of what fails, with another input at times, in a world where most calls succeed. */
function again(random: Random): NonNullable<Scenario['retry']> {
  return {
    ...(random.chance(0.5) ? { input: randomInput(random) } : {}),
    ...(random.chance(0.8) ? { world: { http: {} } } : {}),
  };
}

function definition(writing: Writing, id: string, count: number): JsonObject {
  const { random } = writing;
  const view: View = { ids: [], item: false, loop: false };
  const written = steps(writing, count, { path: '', depth: 0, outer: view });
  const ids = written.map((step) => step['id'] as string);
  return {
    workflow_id: id,
    version: '1.0.0',
    steps: written,
    ...(random.chance(0.35) ? { output: template(random, { ...view, ids }) } : {}),
  };
}

function pingPong(id: string, other: string): JsonObject {
  const child = { id: 'down', type: 'sub_workflow', config: { workflow_id: other } };
  return { workflow_id: id, version: '1.0.0', steps: [child] };
}

const IDS = ['a', 'b', 'c-x', 'd', 'e_1', 'f', 'g', 'h'];

/** Ids are the same in every scope, so that inner ones hide outer ones; arms of a branch share a path. */
function steps(writing: Writing, count: number, scope: Scope): JsonObject[] {
  const { random } = writing;
  const names = IDS.slice(0, count).map((id) => `${id}${scope.arm ?? ''}`);
  const outer = scope.outer.ids.filter((id) => !names.includes(id));
  const written: JsonObject[] = [];
  const ancestors: Set<number>[] = [];
  for (let at = 0; at < count && writing.room > 0; at++) {
    writing.room -= 1;
    const dependsOn = at === 0 || random.chance(0.25) ? [] : someOf(random, at);
    const before = new Set(dependsOn.flatMap((each) => [each, ...(ancestors[each] ?? [])]));
    ancestors.push(before);
    const ids = [...before].map((each) => names[each] as string);
    const view = { ...scope.outer, ids: [...ids, ...outer] };
    const dependencies = dependsOn.map((each) => names[each] as string);
    written.push(step(writing, names[at] as string, dependencies, view, scope));
  }
  return written;
}

function someOf(random: Random, below: number): number[] {
  const found = new Set<number>([random.chance(0.5) ? below - 1 : random.int(0, below - 1)]);
  while (random.chance(0.5)) found.add(random.int(0, below - 1));
  return [...found].sort();
}

function step(
  writing: Writing,
  id: string,
  dependsOn: readonly string[],
  view: View,
  scope: Scope,
): JsonObject {
  const { random } = writing;
  const path = scope.path === '' ? id : `${scope.path}.${id}`;
  const type = typeFor(writing, scope.depth);
  const connector = ['http_request', 'database_operation', 'notification'].includes(type);
  const container = ['for_each', 'branch', 'loop', 'group'].includes(type);
  const shapes = connector || ['approval', 'callback', 'sub_workflow'].includes(type);
  const undoes = !container && !['fail'].includes(type) && random.chance(0.3);
  if (type === 'http_request' && random.chance(0.05)) return tight(writing, id, path, dependsOn);
  const rule = random.pick([...TRIGGER_RULES, 'all_done', 'none_failed'] as const);
  return {
    id,
    type,
    ...(dependsOn.length > 0 ? { depends_on: dependsOn } : {}),
    // On a step without dependencies every rule is satisfied.
    ...(random.chance(dependsOn.length > 0 ? 0.4 : 0.1) ? { trigger: rule } : {}),
    ...(random.chance(0.2) ? { when: condition(random, view) } : {}),
    ...(random.chance(0.3) ? { continue_on_failure: true } : {}),
    ...(shapes && random.chance(0.4) ? { result: shaping(random, view, type) } : {}),
    ...(random.chance(0.06) && !container ? { max_output_bytes: random.int(4, 24) } : {}),
    ...(undoes ? { compensate: compensation(writing, path, id, view) } : {}),
    config: CONFIGS[type](writing, { id, path, view, scope }),
  };
}

/** An output of 12 bytes, in 5 characters, and a budget about there. */
function tight(
  { random, http }: Writing,
  id: string,
  path: string,
  dependsOn: readonly string[],
): JsonObject {
  http[path] = [{ body: '東京🙂' }];
  return {
    id,
    type: 'http_request',
    ...(dependsOn.length > 0 ? { depends_on: dependsOn, trigger: 'all_done' } : {}),
    max_output_bytes: random.pick([5, 11, 12, 13]),
    result: wrap('$result.body'),
    config: { url: 'https://world.test/tight' },
  };
}

type TenantType = (typeof STEP_TYPES)[number];

const LEAVES: readonly TenantType[] = [
  'http_request',
  'http_request',
  'http_request',
  'database_operation',
  'notification',
  'transform',
  'transform',
  'transform',
  'wait',
  'approval',
  'callback',
  'fail',
];
const CONTAINERS: readonly TenantType[] = ['for_each', 'branch', 'loop', 'group'];

function typeFor({ random, children, room }: Writing, depth: number): TenantType {
  if (children.length > 0 && random.chance(0.3)) return 'sub_workflow';
  if (depth < 3 && room > 0 && random.chance(0.3)) return random.pick(CONTAINERS);
  return random.pick(LEAVES);
}

interface Here {
  readonly id: string;
  readonly path: string;
  readonly view: View;
  readonly scope: Scope;
}

const CONFIGS: { readonly [T in TenantType]: (writing: Writing, here: Here) => JsonObject } = {
  http_request: (writing, { path, view }) => {
    const { random } = writing;
    script(writing, path, HTTP_FAILURES);
    return {
      url: random.chance(0.1) ? `https://world.test/${text(random, view)}` : 'https://world.test/x',
      method: random.pick(['GET', 'POST', 'PUT']),
      ...(random.chance(0.5) ? { body: template(random, view) } : {}),
      ...(random.chance(0.15)
        ? { query: { q: wrap(random.pick(['$input.n', '$input.items', '1/3', '$input.odd'])) } }
        : {}),
      ...(random.chance(0.1) ? { headers: { 'x-of': text(random, view) } } : {}),
      ...called(random),
    };
  },
  database_operation: (writing, { path, view }) => {
    const { random } = writing;
    script(writing, path, DATABASE_FAILURES);
    if (random.chance(0.05)) return { operation: 'missing' };
    return {
      ...(random.chance(0.5)
        ? { operation: 'with-value', parameters: { v: wrap(scalar(random, view)) } }
        : { operation: 'plain' }),
      ...called(random),
    };
  },
  notification: (writing, { path, view }) => {
    const { random } = writing;
    if (random.chance(0.15)) writing.away[path] = random.int(1, 2);
    return {
      channel: random.pick(['email', 'sms', 'webhook', 'in_app']),
      template: random.chance(0.05) ? wrap('$input.n') : 'welcome',
      data: template(random, view),
      ...called(random),
    };
  },
  transform: ({ random }, { view }) => ({ value: template(random, view) }),
  wait: ({ random }) =>
    random.pick<JsonObject>([
      { duration: 1000 },
      { duration: 2500 },
      { duration: '30s' },
      { duration: wrap('$input.n * 1000') },
      { duration: wrap('$input.text') },
      { duration: wrap('$input.n * 250.5') },
      { duration: wrap(random.pick(['0', '-1', '1e21', '31536000001', 'null', '$sum', '1 / 0'])) },
      { until: '2020-01-01T00:00:00Z' },
      { until: '2026-01-01T00:00:07Z' },
      { until: wrap('$execution.started_at') },
      { until: wrap('$input.text') },
      { until: '2026-01-01T02:00:09.25+02:00' },
      {
        until: wrap(random.pick(["'2026-01-01'", "'2026-02-30T00:00:00Z'", '1', '$input.missing'])),
      },
    ]),
  approval: ({ random, answers }, { path, view }) => {
    answers[path] = random.pick<ScriptedAnswer[]>([
      [{ after_ms: 1_300, approve: 'ada@b.test', comment: 'ü' }],
      [{ after_ms: 700, reject: 'bob@b.test' }],
      [
        { after_ms: 400, approve: 'ada@b.test' },
        { after_ms: 900, reject: 'eve@b.test' },
      ],
      [],
    ]);
    return {
      assignee: random.chance(0.15)
        ? wrap(random.pick(['$input.text', '$input.items', '$input.odd', '$pad("x", 300)']))
        : 'role:ops',
      ...(random.chance(0.5) ? { message: text(random, view) } : {}),
      timeout: random.pick<Json>([2_200, '1h', 10_000]),
      ...(random.chance(0.4) ? { on_reject: 'continue' } : {}),
    };
  },
  callback: (writing, { path, view }) => {
    const { random, answers } = writing;
    if (random.chance(0.15)) script(writing, path, HTTP_FAILURES);
    answers[path] = random.pick<ScriptedAnswer[]>([
      [{ after_ms: 1_300, complete: { paid: true, odd: [[], null] } }],
      [{ after_ms: 0, complete: null }],
      [{ after_ms: 700, fail: { code: 'Bank.Refused', message: 'no cover' } }],
      [{ after_ms: 700, fail: { message: 'no reason' } }],
      [
        { after_ms: 1_500, heartbeat: true },
        { after_ms: 3_100, complete: 'late' },
      ],
      [],
    ]);
    const sent: JsonObject = random.chance(0.5) ? { body: { v: template(random, view) } } : {};
    return {
      request: { url: 'https://world.test/start', method: 'POST', ...sent },
      timeout: random.pick<Json>(['1h', 5_500]),
      ...(random.chance(0.5) ? { heartbeat: 2_000 } : {}),
    };
  },
  sub_workflow: ({ random, children }, { view }) => ({
    workflow_id: random.chance(0.1)
      ? wrap(random.pick(["'Not An Id'", '$input.n', "'child_one'", "'child-one'"]))
      : random.pick(children),
    ...(random.chance(0.8) ? { input: template(random, view) } : {}),
    ...(random.chance(0.2) ? { mode: 'detach' } : {}),
    ...(random.chance(0.1) ? { version: '1.0.0' } : {}),
    ...(random.chance(0.05) ? { version: random.pick(['9.9.9', wrap('$input.odd')]) } : {}),
    ...(random.chance(0.3) ? { timeout: random.pick<Json>([11_000, 23_000]) } : {}),
  }),
  for_each: (writing, { path, view, scope }) => {
    const { random } = writing;
    const items = random.pick<Json>([
      wrap('$input.items'),
      wrap('$input.items'),
      wrap('[1..3]'),
      wrap('[]'),
      wrap('$input.one'),
      wrap('$input.missing'),
      [1, { v: wrap('$input.n') }],
      ['x'],
      wrap('$range(1, 6, 1)'),
      ...(random.chance(0.2) ? [wrap("$error('no items')")] : []),
      wrap(random.pick(['$input.odd', '{"v": $input.items}', '[[1], [2]]', '$pad("x", 66000)'])),
      [wrap('$input.n'), [wrap('$input.odd')]],
    ]);
    return {
      items,
      max_items: random.pick([3, 4, 5]),
      ...(random.chance(0.5) ? { concurrency: random.int(1, 3) } : {}),
      steps: body(writing, path, { ...view, item: true }, scope),
    };
  },
  branch: (writing, { path, view, scope }) => {
    const { random } = writing;
    const cases = Array.from({ length: random.int(1, 3) }, (_, arm) => ({
      when: condition(random, view),
      steps: body(writing, path, view, scope, String(arm)),
    }));
    return {
      cases,
      ...(random.chance(0.6) ? { else: body(writing, path, view, scope, 'z') } : {}),
    };
  },
  loop: (writing, { path, view, scope }) => {
    const { random } = writing;
    const most = random.int(1, 3);
    const test = random.pick<JsonObject>([
      { while: wrap(`$loop.index < ${random.int(0, most)}`) },
      { until: wrap(`$loop.index = ${random.int(0, most)}`) },
      { while: wrap('true') },
      { until: wrap('$exists($loop.last.a)') },
      { while: wrap('$input.n > $loop.index') },
      { while: wrap("$loop.index > 'a'") },
      { while: wrap('$input.text') },
      { while: wrap('$loop.index < $count($input.items)') },
      { until: wrap('$count($loop.last) > 0 and $loop.index >= 1') },
      { until: wrap(random.pick(['$sum', '$pad("x", 66000)', '1 / 0 = 1', '$loop.last'])) },
    ]);
    return {
      ...test,
      max_iterations: most,
      steps: body(writing, path, { ...view, loop: true }, scope),
    };
  },
  group: (writing, { path, view, scope }) => ({ steps: body(writing, path, view, scope) }),
  fail: ({ random }, { view }) => ({
    error: random.pick(['Stock.Empty', 'E', 'Very-Bad_1.x']),
    ...(random.chance(0.6)
      ? { message: random.chance(0.3) ? wrap(value(random, view)) : text(random, view) }
      : {}),
  }),
};

function body(
  writing: Writing,
  path: string,
  outer: View,
  scope: Scope,
  arm?: string,
): JsonObject[] {
  const inner = { path, depth: scope.depth + 1, outer, ...(arm === undefined ? {} : { arm }) };
  const written = steps(writing, writing.random.int(1, 3), inner);
  if (written.length > 0) return written;
  return [
    { id: `a${arm ?? ''}`, type: 'transform', config: { value: template(writing.random, outer) } },
  ];
}

function called(random: Random): JsonObject {
  return {
    ...(random.chance(0.65)
      ? {
          retry: {
            max_attempts: random.int(1, 3),
            ...random.pick<JsonObject>([{}, { backoff: 'fixed' }, { rate: 3, max_interval: '5s' }]),
            ...(random.chance(0.3) ? { interval: random.pick<Json>([1_000, '3s']) } : {}),
            ...(random.chance(0.3) ? { retry_on: ['ClientError', 'NotFound'] } : {}),
          },
        }
      : {}),
    ...(random.chance(0.4) ? { timeout: random.pick<Json>([1_500, '2s']) } : {}),
  };
}

const HTTP_FAILURES: readonly HttpAnswer[] = [
  { status: 503 },
  { status: 503 },
  { status: 429 },
  { status: 429 },
  { refused: true },
  { refused: true },
  { garbled: true },
  { garbled: true },
  { status: 404 },
  { status: 422 },
  { status: 422 },
  { status: 401 },
  { status: 401 },
  { status: 403 },
  { status: 403 },
  { status: 304 },
  { status: 304 },
  { delay_ms: 40_000 },
  { status: 500, delay_ms: 300 },
];
const DATABASE_FAILURES: readonly HttpAnswer[] = [
  { refused: true },
  { refused: true },
  { status: 429 },
  { status: 429 },
  { status: 409 },
  { status: 409 },
  { status: 409 },
  { delay_ms: 40_000 },
];

const BODIES: readonly Json[] = [
  { ok: true },
  null,
  [],
  [[1]],
  'text 東京',
  { a: { b: [1, 2] }, n: 1.5 },
  false,
  'x'.repeat(9_000),
  [null, { '': 0 }],
];

/** What a connector meets: failures, then perhaps an answer. */
function script(writing: Writing, path: string, failures: readonly HttpAnswer[]): void {
  const { random, http } = writing;
  if (random.chance(0.25)) return;
  const answers: HttpAnswer[] = [];
  while (answers.length < 3 && random.chance(0.55)) answers.push(random.pick(failures));
  if (answers.length === 0 || random.chance(0.75)) {
    const delay = random.chance(0.4) ? { delay_ms: random.pick([137, 613, 1_401]) } : {};
    answers.push({ body: random.pick(BODIES), ...delay });
  }
  // One instance of many may fare otherwise.
  const instance = random.chance(0.2) ? `${path}[${random.int(0, 2)}]` : path;
  http[instance] = answers;
}

/** Mostly what a parameter takes. */
function scalar(random: Random, view: View): string {
  if (random.chance(0.1)) return value(random, view);
  return random.pick(['$input.n', '$input.text', '$string($input.odd)', '$input.n = 1', 'null']);
}

function compensation(writing: Writing, path: string, id: string, view: View): JsonObject {
  const { random } = writing;
  const sees = { ...view, ids: [...view.ids, id] };
  const own = random.chance(0.05) ? wrap("$error('nothing to undo')") : template(random, sees);
  const kind = random.chance(0.15) && writing.children.length > 0 ? 'child' : random.pick(UNDOES);
  switch (kind) {
    case 'http':
      if (random.chance(0.45)) {
        writing.http[`undo:${path}`] = random.pick<HttpAnswer[]>([
          [{ status: 503 }, { status: 200 }],
          [{ status: 500 }],
          [{ status: 422 }],
          [{ delay_ms: 200 }],
        ]);
      }
      return {
        type: 'http_request',
        config: { url: 'https://world.test/undo', method: 'DELETE', body: own },
      };
    case 'database':
      return {
        type: 'database_operation',
        config: { operation: 'with-undo', parameters: { v: wrap(scalar(random, sees)) } },
      };
    case 'notification':
      return { type: 'notification', config: { channel: 'email', template: 'sorry', data: own } };
    case 'child':
      return { type: 'sub_workflow', config: { workflow_id: 'child-two', input: own } };
  }
}

const UNDOES = ['http', 'http', 'database', 'notification'] as const;
