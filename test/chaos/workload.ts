/** The workflows of a run, and what is started of them. The checker reads these definitions as their author would. */
import type { Dice } from './dice.ts';

export interface StepDefinition {
  readonly id: string;
  readonly type: string;
  readonly depends_on?: readonly string[];
  readonly when?: string;
  readonly config?: { readonly [name: string]: unknown };
  readonly compensate?: object;
  readonly result?: string;
}

export interface Definition {
  readonly workflow_id: string;
  readonly version: string;
  readonly steps: readonly StepDefinition[];
  readonly [name: string]: unknown;
}

export interface Kind {
  readonly name: string;
  /** How often it is drawn, against the others. */
  readonly weight: number;
  readonly runtime?: 'step_functions';
  readonly input: (dice: Dice) => { readonly [name: string]: unknown };
  /** Milliseconds after its acknowledgement at which it is cancelled. */
  readonly cancelAfterMs?: (dice: Dice) => number;
}

const VALUE = '{% $result.body.value %}';
const RETRY = { max_attempts: 8, backoff: 'fixed', interval: '1s' };
const CALL_TIMEOUT = '10s';

/** What a call brings along: whose it is, and results of steps before it. */
function body(given: readonly string[] = []): object {
  return {
    canary: '{% $input.canary %}',
    given: Object.fromEntries(given.map((step) => [step, `{% $steps.${step}.output %}`])),
  };
}

export const CONNECTION = 'effects';
export const OPERATION = 'record-effect';
export const PINNED = 'pinned';
export const GATED = 'gated';

export function pinnedDefinition(target: string, n: number): Definition {
  const version = `1.0.${n}`;
  return {
    workflow_id: PINNED,
    version,
    steps: [
      call(target, 'first'),
      { id: 'nap', type: 'wait', depends_on: ['first'], config: { duration: '1s' } },
      { id: 'which', type: 'transform', depends_on: ['nap'], config: { value: version } },
    ],
  };
}

function call(
  target: string,
  id: string,
  more: Partial<StepDefinition> & { readonly query?: string; readonly given?: string[] } = {},
): StepDefinition {
  const { query = '', given, ...rest } = more;
  return {
    id,
    type: 'http_request',
    config: {
      url: `${target}/${id}${query}`,
      method: 'POST',
      body: body(given),
      timeout: CALL_TIMEOUT,
      retry: RETRY,
    },
    result: VALUE,
    ...rest,
  };
}

export function definitions(target: string): readonly Definition[] {
  const step = (...args: Parameters<typeof call> extends [string, ...infer R] ? R : never) =>
    call(target, ...args);
  const undo = (id: string) => ({
    compensate: {
      type: 'http_request',
      config: { url: `${target}/undo-${id}`, method: 'POST', body: body() },
    },
  });
  const one = (workflow_id: string, steps: readonly StepDefinition[], more: object = {}) => ({
    ...{ workflow_id, version: '1.0.0', steps },
    ...more,
  });
  return [
    one('chain', [
      step('a'),
      step('b', { depends_on: ['a'], given: ['a'] }),
      step('c', { depends_on: ['b'], given: ['a', 'b'] }),
      step('d', { depends_on: ['c'], given: ['c'] }),
    ]),
    one('diamond', [
      step('top'),
      step('left', { depends_on: ['top'], query: '?slow=20' }),
      step('right', { depends_on: ['top'] }),
      step('maybe', { depends_on: ['top'], when: '{% $input.go %}' }),
      step('join', {
        depends_on: ['left', 'right', 'maybe'],
        given: ['left', 'right'],
        ...{ trigger: 'none_failed' },
      }),
    ]),
    one('each', [
      {
        id: 'lines',
        type: 'for_each',
        config: {
          items: '{% $input.items %}',
          concurrency: 2,
          max_items: 6,
          steps: [step('ship')],
        },
      },
      step('done', { depends_on: ['lines'] }),
    ]),
    one('saga', [
      step('reserve', undo('reserve')),
      step('charge', { depends_on: ['reserve'], ...undo('charge') }),
      step('ship', { depends_on: ['charge'], ...undo('ship') }),
      {
        id: 'refuse',
        type: 'fail',
        depends_on: ['ship'],
        config: { error: 'Refused', message: 'it was to fail' },
      },
    ]),
    one('payment', [
      step('quote'),
      {
        id: OPERATION,
        type: 'database_operation',
        depends_on: ['quote'],
        config: {
          parameters: { execution: '{% $execution.id %}' },
          connection: CONNECTION,
          timeout: CALL_TIMEOUT,
          retry: RETRY,
        },
      },
      step('receipt', { depends_on: [OPERATION], given: ['quote'] }),
    ]),
    one('flaky', [
      step('fails', { query: '?fail=1' }),
      step('lost', { depends_on: ['fails'], query: '?lose=1', given: ['fails'] }),
    ]),
    one('nap', [
      step('before'),
      { id: 'sleep', type: 'wait', depends_on: ['before'], config: { duration: '2s' } },
      step('after', { depends_on: ['sleep'], given: ['before'] }),
    ]),
    one('child', [step('inner')]),
    one('parent', [
      {
        id: 'kid',
        type: 'sub_workflow',
        config: {
          workflow_id: 'child',
          input: { canary: '{% $input.canary %}' },
          mode: 'wait',
          timeout: '1h',
        },
      },
      step('outer', { depends_on: ['kid'] }),
    ]),
    one('answered', [
      {
        id: 'ask',
        type: 'callback',
        config: {
          request: { url: `${target}/ask`, body: body() },
          timeout: '1h',
        },
        result: '{% $result.value %}',
      },
      step('told', { depends_on: ['ask'], given: ['ask'] }),
    ]),
    one('stopped', [
      step('begin'),
      { id: 'long', type: 'wait', depends_on: ['begin'], config: { duration: '1h' } },
      step('never', { depends_on: ['long'] }),
    ]),
    one('machine', [step('a'), step('b', { depends_on: ['a'], given: ['a'] })]),
    one(GATED, [step('only')]),
  ];
}

export const KINDS: readonly Kind[] = [
  { name: 'chain', weight: 34, input: () => ({}) },
  { name: 'diamond', weight: 12, input: (dice) => ({ go: dice.below(2) === 0 }) },
  {
    name: 'each',
    weight: 9,
    input: (dice) => ({ items: Array.from({ length: dice.below(6) }, (_, i) => i) }),
  },
  { name: 'saga', weight: 9, input: () => ({}) },
  { name: 'payment', weight: 10, input: () => ({}) },
  { name: 'flaky', weight: 5, input: () => ({}) },
  { name: 'nap', weight: 6, input: () => ({}) },
  { name: 'parent', weight: 4, input: () => ({}) },
  { name: 'answered', weight: 3, input: () => ({}) },
  {
    name: 'stopped',
    weight: 4,
    input: () => ({}),
    cancelAfterMs: (dice) => 50 + dice.below(1_500),
  },
  { name: PINNED, weight: 3, input: () => ({}) },
  { name: 'machine', weight: 1, runtime: 'step_functions', input: () => ({}) },
];
