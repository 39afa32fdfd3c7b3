import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkDefinition } from '#core/plan/check.ts';
import { childWorkflowIds } from '#core/plan/children.ts';
import { allSteps, type Scope, STEP_TYPES, scopesOf } from '#core/plan/program.ts';
import { stepsByPath } from '#core/plan/report.ts';
import {
  approval,
  call,
  errorsOf,
  forEach,
  programOf,
  reads,
  value,
  workflow,
} from './definitions.ts';

const SOURCE_EXAMPLE = {
  workflow_id: 'customer-onboarding-v2',
  version: '2.1.0',
  steps: [
    {
      id: 'validate-customer',
      type: 'http_request',
      config: {
        url: 'https://validation.internal/verify',
        method: 'POST',
        timeout: 5000,
        retry: { max_attempts: 3, backoff: 'exponential' },
      },
    },
    { id: 'create-account', type: 'database_operation', depends_on: ['validate-customer'] },
  ],
};

describe('the program', () => {
  it('holds every default of the example', () => {
    const program = programOf(SOURCE_EXAMPLE);
    expect(program).toMatchObject({
      workflowId: 'customer-onboarding-v2',
      runtime: 'auto',
      onCancel: 'abandon',
      onFailure: 'drain',
      timeoutMs: null,
      output: null,
      compensates: false,
    });
    const [validate, create] = program.root.steps;
    expect(validate).toMatchObject({
      config: {
        kind: 'literal',
        value: { method: 'POST', url: 'https://validation.internal/verify' },
      },
      timeoutMs: 5_000,
      retry: { maxAttempts: 3, intervalMs: 2_000, rate: 2, maxIntervalMs: null, retryOn: null },
      maxOutputBytes: 8_192,
    });
    expect(create).toMatchObject({
      config: { kind: 'literal', value: { operation: 'create-account' } },
      timeoutMs: 30_000,
      dependsOn: [0],
    });
  });

  it('has a hash that depends on meaning and not on the order of keys', () => {
    const { steps, ...rest } = SOURCE_EXAMPLE;
    const { hash } = programOf(SOURCE_EXAMPLE);
    expect(hash).toMatch(/^[0-9a-f]{64}$/);
    expect(programOf({ steps, ...rest }).hash).toBe(hash);
    expect(programOf({ ...SOURCE_EXAMPLE, version: '2.1.1' }).hash).not.toBe(hash);
    expect(programOf({ ...SOURCE_EXAMPLE, description: 'for people' }).hash).toBe(hash);
  });

  it('is plain JSON', () => {
    const program = programOf(SOURCE_EXAMPLE);
    expect(JSON.parse(JSON.stringify(program))).toEqual(program);
  });

  it('numbers steps so that ancestors and containers come first', () => {
    const program = programOf(
      workflow([
        value('last', ['g', 'each']),
        {
          id: 'g',
          type: 'group',
          depends_on: ['first'],
          config: { steps: [value('b', ['a']), value('a')] },
        },
        value('first'),
        forEach('each', [value('x')]),
      ]),
    );
    const numbers = [...allSteps(program.root)].map(({ no }) => no);
    expect(new Set(numbers).size).toBe(numbers.length);
    const check = (scope: Scope, above: number): void => {
      for (const step of scope.steps) {
        expect(step.no).toBeGreaterThan(above);
        for (const d of step.dependsOn) expect(step.no).toBeGreaterThan(scope.steps[d]!.no);
        for (const [, inner] of scopesOf(step)) check(inner, step.no);
      }
    };
    check(program.root, -1);
    const [last] = program.root.steps;
    expect(last?.no).toBe(Math.max(...numbers));
  });

  it('knows every step type', () => {
    const { report } = checked(
      workflow(
        [
          call('http'),
          { id: 'db', type: 'database_operation' },
          { id: 'mail', type: 'notification', config: { channel: 'email' } },
          value('value'),
          { id: 'wait', type: 'wait', config: { duration: '2h' } },
          approval('ask'),
          {
            id: 'back',
            type: 'callback',
            config: { request: { url: 'https://a.example' }, timeout: '1h' },
          },
          { id: 'child', type: 'sub_workflow', config: { workflow_id: 'other' } },
          forEach('each', [value('a')]),
          {
            id: 'choose',
            type: 'branch',
            config: { cases: [{ when: '{% true %}', steps: [value('b')] }] },
          },
          {
            id: 'again',
            type: 'loop',
            config: { while: '{% $loop.index = 0 %}', max_iterations: 2, steps: [value('c')] },
          },
          { id: 'all', type: 'group', config: { steps: [value('d')] } },
          { id: 'stop', type: 'fail', config: { error: 'Stop' } },
        ],
        { output: null },
      ),
    );
    expect(new Set(report.steps.map(({ type }) => type))).toEqual(new Set(STEP_TYPES));
    const slow = report.steps.filter((step) => step.slow).map(({ path }) => path);
    expect(slow).toEqual(['wait', 'ask', 'back', 'child', 'each', 'again']);
  });
});

function checked(document: unknown, options = {}) {
  const result = checkDefinition(document, options);
  if (!result.ok) throw new Error(JSON.stringify(result.problems));
  return result;
}

describe('budgets', () => {
  const budget = (document: unknown, path: string) =>
    stepsByPath(programOf(document)).get(path)?.maxOutputBytes;

  it('are 8 KiB while all fit', () => {
    expect(budget(workflow([value('a'), value('b')]), 'a')).toBe(8_192);
  });

  it('are an equal share of the default output beyond that', () => {
    const hundred = workflow(Array.from({ length: 100 }, (_, i) => value(`s${i}`)));
    const share = budget(hundred, 's0') ?? 0;
    expect(share).toBe(budget(hundred, 's99'));
    expect(share * 100).toBeLessThanOrEqual(240 * 1_024);
    expect(share).toBeGreaterThan(2_200);
  });

  it('leave the rest to others where one is given', () => {
    const two = workflow([
      value('a', [], { max_output_bytes: 131_072 }),
      ...Array.from({ length: 20 }, (_, i) => value(`s${i}`)),
    ]);
    expect(budget(two, 'a')).toBe(131_072);
    expect(budget(two, 's3')).toBeGreaterThan(5_000);
    expect(budget(two, 's3')).toBeLessThan(6_000);
  });

  it('are shared by the iterations of a for_each: about 2,250 bytes for one step and 100 items', () => {
    const each = workflow([forEach('each', [value('a')])], { output: null });
    expect(budget(each, 'each.a')).toBe(Math.floor((240 * 1_024) / 100 - 200 - 'a'.length - 4));
    expect(budget(each, 'each')).toBeLessThanOrEqual(240 * 1_024);
  });

  it('of outputs that nobody reads do not count where branches meet', () => {
    const beside = Array.from({ length: 90 }, (_, i) => value(`s${i}`));
    const [quiet, read] = [
      workflow(
        [
          ...beside,
          value(
            'end',
            beside.map(({ id }) => id),
          ),
        ],
        { output: null },
      ),
      workflow(
        [
          ...beside,
          reads(
            'end',
            beside.map(({ id }) => id),
            `[${beside.map(({ id }) => `$steps.${id}.output`).join(', ')}]`,
          ),
        ],
        { output: null },
      ),
    ];
    expect(budget(quiet, 's0')).toBe(8_192);
    expect(budget(read, 's0')).toBeLessThan(2_700);
  });

  it('give each compensation its part of the ledger', () => {
    const undo = {
      compensate: {
        type: 'http_request',
        config: { url: 'https://a.example/{% $steps.a.output.id %}' },
      },
    };
    const { compensate } = stepsByPath(
      programOf(workflow([forEach('each', [value('a', [], undo)])])),
    ).get('each.a')!;
    expect(compensate?.maxBytes).toBeGreaterThan(100);
    expect((compensate?.maxBytes ?? 0) * 100).toBeLessThanOrEqual(32 * 1_024);
  });
});

describe('liveness', () => {
  it('follows expressions, the default output and $loop.last', () => {
    const document = workflow(
      [
        value('read'),
        value('unread'),
        reads('reader', ['read', 'unread'], '$steps.read.output & $steps.unread.status'),
        {
          id: 'again',
          type: 'loop',
          config: { until: '{% $loop.last.kept = 1 %}', max_iterations: 2, steps: [value('kept')] },
        },
        { id: 'all', type: 'group', config: { steps: [value('dropped')] } },
      ],
      { output: '{% $steps.reader.output %}' },
    );
    const live = [...allSteps(programOf(document).root)]
      .filter((step) => step.live)
      .map(({ path }) => path);
    expect(live.sort()).toEqual(['again.kept', 'read', 'reader']);
    const { output: _, ...byDefault } = document as typeof document & { output: string };
    expect([...allSteps(programOf(byDefault).root)].every((step) => step.live)).toBe(true);
  });
});

describe('children over stored definitions', () => {
  const parent = workflow([{ id: 'c', type: 'sub_workflow', config: { workflow_id: 'b' } }]);
  const stored = (children: Record<string, string[]>) => ({
    childrenOf: (id: string) => children[id] ?? null,
  });

  it('a way back is refused and named', () => {
    const result = checkDefinition(parent, stored({ b: ['x', 'c'], c: ['sample'] }));
    expect(result.ok ? [] : result.problems).toEqual([
      expect.objectContaining({
        code: 'E_SUB_RECURSION',
        message: 'the workflow starts itself: sample -> b -> c -> sample',
      }),
    ]);
  });

  it('five levels are allowed, six are not', () => {
    const line = { b: ['c'], c: ['d'], d: ['e'], e: ['f'] };
    expect(errorsOf(parent, stored(line))).toEqual([]);
    expect(errorsOf(parent, stored({ ...line, f: ['g'] }))).toEqual([
      'E_SUB_RECURSION /steps/0/config/workflow_id',
    ]);
  });

  it('a circle that does not lead here ends the search', () => {
    expect(errorsOf(parent, stored({ b: ['c'], c: ['b'] }))).toEqual([
      'E_SUB_RECURSION /steps/0/config/workflow_id',
    ]);
  });

  it('are listed by the program', () => {
    expect(childWorkflowIds(programOf(parent))).toEqual(['b']);
  });
});

describe('one answer', () => {
  it('holds shape, graph and expressions together, in document order', () => {
    const document = workflow([
      { id: 'a', type: 'transform', config: { valeu: 1 } },
      { id: 'b', type: 'transform', depends_on: ['nope'], config: { value: '{% $now() %}' } },
      { id: 'B', type: 'htttp_request' },
      { id: 'd', type: 'loop', config: { steps: [{ id: 'e', type: 'wait', config: {} }] } },
      {
        id: 'f',
        type: 'http_request',
        config: { url: 'https://a.example', body: '{% $item %}', tiemout: 1 },
      },
    ]);
    expect(errorsOf(document)).toEqual([
      'E_SCHEMA /steps/0/config',
      'E_SCHEMA /steps/0/config/valeu',
      'E_UNKNOWN_DEP /steps/1/depends_on/0',
      'E_EXPR_BANNED_FN /steps/1/config/value',
      'E_SCHEMA /steps/2/id',
      'E_SCHEMA /steps/2/type',
      'E_SCHEMA /steps/3/config',
      'E_LOOP_UNBOUNDED /steps/3/config',
      'E_SCHEMA /steps/3/config/steps/0/config',
      'E_UNKNOWN_VAR /steps/4/config/body',
      'E_SCHEMA /steps/4/config/tiemout',
    ]);
  });

  it('says what was given, what is allowed, and what was probably meant', () => {
    const result = checkDefinition(workflow([{ id: 'a', type: 'http_requst', config: {} }]));
    expect(result.ok ? [] : result.problems).toEqual([
      {
        code: 'E_SCHEMA',
        pointer: '/steps/0/type',
        message: "unknown step type; did you mean 'http_request'?",
        given: '"http_requst"',
        allowed: STEP_TYPES.map((type) => `'${type}'`).join(', '),
      },
    ]);
  });

  it('comes for any JSON whatever', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 6 }), (document) => {
        expect(checkDefinition(document).ok).toBe(false);
      }),
      { numRuns: 500 },
    );
  });

  it('comes for anything in the places of a definition', () => {
    const anything = fc.oneof(
      fc.jsonValue({ maxDepth: 3 }),
      fc.constantFrom(
        '{% $input.x %}',
        '{% $steps.a.output %}',
        '{%',
        '30s',
        'a',
        'b',
        -1,
        1e21,
        '__proto__',
        'constructor',
      ),
    );
    const object = (...keys: string[]) =>
      fc.record(Object.fromEntries(keys.map((key) => [key, anything])), { requiredKeys: [] });
    const config = fc.oneof(
      anything,
      object(
        'url',
        'method',
        'headers',
        'timeout',
        'retry',
        'body',
        'value',
        'duration',
        'until',
        'items',
        'steps',
        'cases',
        'else',
      ),
      object(
        'steps',
        'while',
        'until',
        'max_iterations',
        'max_items',
        'concurrency',
        'items',
        'request',
        'workflow_id',
      ),
    );
    const step = fc.record(
      {
        id: fc.oneof(fc.constantFrom('a', 'b', 'c'), anything),
        type: fc.constantFrom(...STEP_TYPES, 'x'),
        config,
        depends_on: fc.oneof(fc.array(fc.constantFrom('a', 'b', 'c')), anything),
        when: anything,
        result: anything,
        compensate: fc.oneof(
          anything,
          fc.record({
            type: fc.constantFrom('http_request', 'sub_workflow'),
            config: object('url', 'workflow_id'),
          }),
        ),
        max_output_bytes: anything,
        trigger: anything,
      },
      { requiredKeys: ['id', 'type'] },
    );
    fc.assert(
      fc.property(
        fc.array(step, { minLength: 1, maxLength: 4 }),
        object('output', 'input_schema', 'timeout', 'labels'),
        (steps, rest) => {
          const result = checkDefinition(workflow(steps, rest));
          expect(result.ok || result.problems.length > 0).toBe(true);
        },
      ),
      { numRuns: 400 },
    );
  });
});
