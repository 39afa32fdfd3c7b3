import { call, forEach, reads, value, workflow } from './definitions.ts';

/** By code: what must be reported, where; and what is close to it but right. */
export interface Cases {
  readonly wrong: readonly (readonly [string, unknown, string])[];
  readonly right: readonly (readonly [string, unknown])[];
}

const loop = (config: object, steps: readonly unknown[] = [value('inner')]) => ({
  id: 'again',
  type: 'loop',
  config: { ...config, steps },
});
const group = (id: string, steps: readonly unknown[], rest: object = {}) => ({
  id,
  type: 'group',
  config: { steps },
  ...rest,
});
const nested = (depth: number): unknown =>
  depth === 0 ? value('leaf') : group(`g${depth}`, [nested(depth - 1)]);
const undo = (config: object, type = 'http_request') => ({ compensate: { type, config } });
const branch = (cases: readonly unknown[], rest: object = {}) => ({
  id: 'choose',
  type: 'branch',
  config: { cases, ...rest },
});
const arm = (when: string, ...steps: readonly unknown[]) => ({ when: `{% ${when} %}`, steps });
const child = (workflow_id: string) => ({ id: 'c', type: 'sub_workflow', config: { workflow_id } });
const retried = (name: string) => call('a', { retry: { max_attempts: 1, retry_on: [name] } });

export const ERRORS: { readonly [code: string]: Cases } = {
  E_SCHEMA: {
    wrong: [
      ['unknown key', workflow([value('a')], { stepz: 1 }), '/stepz'],
      ['not an object', 7, ''],
      ['no steps', workflow([]), '/steps'],
      ['six levels', workflow([nested(6)]), `/steps${'/0/config/steps'.repeat(6)}`],
      [
        'result on a transform',
        workflow([value('a', [], { result: '{% $result %}' })]),
        '/steps/0/result',
      ],
      [
        'a bad text for a duration',
        workflow([{ id: 'w', type: 'wait', config: { duration: '5 minutes' } }]),
        '/steps/0/config/duration',
      ],
      [
        'no calendar day',
        workflow([{ id: 'w', type: 'wait', config: { until: '2026-02-30T00:00:00Z' } }]),
        '/steps/0/config/until',
      ],
      [
        'a relative URL without a connection',
        workflow([call('a', { url: '/orders' })]),
        '/steps/0/config/url',
      ],
      [
        'a password in a URL',
        workflow([call('a', { url: 'https://user:pass@a.example/{% $input.id %}' })]),
        '/steps/0/config/url',
      ],
      [
        'more items than max_items',
        workflow([forEach('e', [value('a')], { items: [1, 2, 3], max_items: 2 })]),
        '/steps/0/config/items',
      ],
      [
        'half a second between attempts',
        workflow([call('a', { retry: { max_attempts: 1, interval: 1500 } })]),
        '/steps/0/config/retry/interval',
      ],
      [
        'a connector timeout of 15 minutes',
        workflow([call('a', { timeout: '15m' })]),
        '/steps/0/config/timeout',
      ],
      [
        'text around a condition',
        workflow([value('a', [], { when: 'if {% true %}' })]),
        '/steps/0/when',
      ],
      [
        'retry of a compensation',
        workflow([call('a', {}, undo({ url: 'https://a.example', retry: {} }))]),
        '/steps/0/compensate/config/retry',
      ],
      [
        'an error name that is taken',
        workflow([{ id: 'f', type: 'fail', config: { error: 'States.Timeout' } }]),
        '/steps/0/config/error',
      ],
      [
        'a heartbeat as long as the timeout',
        workflow([
          {
            id: 'c',
            type: 'callback',
            config: { request: { url: 'https://a.example' }, timeout: '1h', heartbeat: '1h' },
          },
        ]),
        '/steps/0/config/heartbeat',
      ],
    ],
    right: [
      [
        'an unknown key inside a value',
        workflow([value('a', [], { config: { value: { stepz: 1 } } })]),
      ],
      ['five levels', workflow([nested(5)])],
      ['a path with a connection', workflow([call('a', { url: '/orders', connection: 'shop' })])],
      ['an @ in a path', workflow([call('a', { url: 'https://a.example/@user' })])],
      ['14 minutes', workflow([call('a', { timeout: '14m' })])],
      ['underscores and $schema', workflow([value('a_b')], { $schema: 'urn:cloudflow:dsl:1' })],
    ],
  },
  E_NAME_LENGTH: {
    wrong: [['41 characters', workflow([value('a'.repeat(41))]), '/steps/0/id']],
    right: [['40 characters', workflow([value('a'.repeat(40))])]],
  },
  E_DUPLICATE_ID: {
    wrong: [
      ['twice in a list', workflow([value('a'), value('a')]), '/steps/1/id'],
      [
        'in two arms',
        workflow([branch([arm('$input.x = 1', value('a'))], { else: [value('a')] })]),
        '/steps/0/config/else/0/id',
      ],
    ],
    right: [['once outside and once in a body', workflow([value('a'), group('g', [value('a')])])]],
  },
  E_UNKNOWN_DEP: {
    wrong: [
      ['a typing slip', workflow([value('fetch'), value('b', ['fecth'])]), '/steps/1/depends_on/0'],
      [
        'a step outside',
        workflow([value('a'), group('g', [value('b', ['a'])])]),
        '/steps/1/config/steps/0/depends_on/0',
      ],
    ],
    right: [['a step further down', workflow([value('b', ['fetch']), value('fetch')])]],
  },
  E_SELF_DEP: {
    wrong: [['itself', workflow([value('a', ['a'])]), '/steps/0/depends_on/0']],
    right: [
      [
        'a namesake inside',
        workflow([value('a'), group('g', [value('a'), value('b', ['a'])], { depends_on: ['a'] })]),
      ],
    ],
  },
  E_CYCLE: {
    wrong: [
      ['two', workflow([value('a', ['b']), value('b', ['a'])]), '/steps/0/depends_on'],
      [
        'three, inside',
        workflow([group('g', [value('a', ['c']), value('b', ['a']), value('c', ['b'])])]),
        '/steps/0/config/steps/0/depends_on',
      ],
    ],
    right: [
      [
        'a diamond',
        workflow([value('a'), value('b', ['a']), value('c', ['a']), value('d', ['b', 'c'])]),
      ],
    ],
  },
  E_EXPR_PARSE: {
    wrong: [
      ['half an expression', workflow([reads('a', [], '1 +')]), '/steps/0/config/value'],
      [
        'a lone mark',
        workflow([value('a', [], { config: { value: 'x {% $input' } })]),
        '/steps/0/config/value',
      ],
    ],
    right: [
      [
        'text, expression, text',
        workflow([value('a', [], { config: { value: 'x {% $input.y %} z' } })]),
      ],
    ],
  },
  E_EXPR_FENCE: {
    wrong: [
      ['a later operator', workflow([reads('a', [], '$input.x ?? 1')]), '/steps/0/config/value'],
    ],
    right: [['a conditional', workflow([reads('a', [], '$exists($input.x) ? $input.x : 1')])]],
  },
  E_EXPR_TOPLEVEL: {
    wrong: [['a bare name', workflow([reads('a', [], 'input.x')]), '/steps/0/config/value']],
    right: [['a bare name in a filter', workflow([reads('a', [], '$input.orders[total = 1]')])]],
  },
  E_EXPR_BANNED_FN: {
    wrong: [['$now', workflow([reads('a', [], '$now()')]), '/steps/0/config/value']],
    right: [['$sum', workflow([reads('a', [], '$sum($input.x)')])]],
  },
  E_STEPS_DYNAMIC: {
    wrong: [
      [
        '$steps alone',
        workflow([value('a'), reads('b', ['a'], '$keys($steps)')]),
        '/steps/1/config/value',
      ],
    ],
    right: [['$steps with a name', workflow([value('a'), reads('b', ['a'], '$keys($steps.a)')])]],
  },
  E_UNKNOWN_VAR: {
    wrong: [
      ['a name of nothing', workflow([reads('a', [], '$inputs.x')]), '/steps/0/config/value'],
      ['$item outside', workflow([reads('a', [], '$item')]), '/steps/0/config/value'],
      [
        '$item in items',
        workflow([forEach('e', [value('a')], { items: '{% $item %}' })]),
        '/steps/0/config/items',
      ],
      ['$loop outside', workflow([reads('a', [], '$loop.index')]), '/steps/0/config/value'],
      [
        '$result in config',
        workflow([call('a', { body: '{% $result %}' })]),
        '/steps/0/config/body',
      ],
    ],
    right: [
      [
        '$item inside, deeper',
        workflow([forEach('e', [group('g', [reads('a', [], '[$item, $index]')])])]),
      ],
      [
        '$loop in the test',
        workflow([loop({ until: '{% $loop.index = 2 %}', max_iterations: 3 })]),
      ],
      ['$result in result', workflow([call('a', {}, { result: '{% $result.body %}' })])],
    ],
  },
  E_REF_NOT_ANCESTOR: {
    wrong: [
      [
        'a sibling',
        workflow([value('a'), reads('b', [], '$steps.a.output')]),
        '/steps/1/config/value',
      ],
      ['itself', workflow([reads('a', [], '$steps.a.output')]), '/steps/0/config/value'],
      [
        'its container',
        workflow([group('g', [reads('a', [], '$steps.g.output')])]),
        '/steps/0/config/steps/0/config/value',
      ],
      [
        'nobody',
        workflow([value('a'), reads('b', ['a'], '$steps.aa.output')]),
        '/steps/1/config/value',
      ],
    ],
    right: [
      [
        'an ancestor of an ancestor',
        workflow([value('a'), value('b', ['a']), reads('c', ['b'], '$steps.a.output')]),
      ],
      [
        "the container's ancestor",
        workflow([
          value('a'),
          group('g', [reads('b', [], '$steps.a.output')], { depends_on: ['a'] }),
        ]),
      ],
      [
        'itself in compensate',
        workflow([call('a', {}, undo({ url: 'https://a.example/{% $steps.a.output.body.id %}' }))]),
      ],
      [
        'any step in the output',
        workflow([value('a'), value('b')], { output: '{% $steps.b.output %}' }),
      ],
    ],
  },
  E_REF_BODY: {
    wrong: [
      [
        'into a group',
        workflow([group('g', [value('a')]), reads('b', ['g'], '$steps.a.output')]),
        '/steps/1/config/value',
      ],
      [
        'from the output',
        workflow([group('g', [value('a')])], { output: '{% $steps.a.output %}' }),
        '/output',
      ],
    ],
    right: [
      [
        "the container's record",
        workflow([group('g', [value('a')]), reads('b', ['g'], '$steps.g.output.a')]),
      ],
    ],
  },
  E_LOOP_UNBOUNDED: {
    wrong: [
      ['no limit', workflow([loop({ until: '{% $loop.index = 2 %}' })]), '/steps/0/config'],
      ['no config at all', workflow([{ id: 'again', type: 'loop' }]), '/steps/0'],
    ],
    right: [
      ['a limit', workflow([loop({ until: '{% $loop.index = 2 %}', max_iterations: 1000 })])],
    ],
  },
  E_SUB_RECURSION: {
    wrong: [
      ['itself', workflow([child('sample')]), '/steps/0/config/workflow_id'],
      [
        'itself, to undo',
        workflow([call('a', {}, undo({ workflow_id: 'sample' }, 'sub_workflow'))]),
        '/steps/0/compensate/config/workflow_id',
      ],
    ],
    right: [
      ['another', workflow([child('other')])],
      ['known only when it runs', workflow([child('{% $input.which %}')])],
    ],
  },
  E_RETRY_ON_NAME: {
    wrong: [
      ['a typing slip', workflow([retried('NotFond')]), '/steps/0/config/retry/retry_on/0'],
      [
        'never retried',
        workflow([retried('CloudFlow.OutputTooLarge')]),
        '/steps/0/config/retry/retry_on/0',
      ],
      ["Amazon's", workflow([retried('States.Timeout')]), '/steps/0/config/retry/retry_on/0'],
    ],
    right: [
      ['a permanent error', workflow([retried('NotFound')])],
      ['with the prefix', workflow([retried('CloudFlow.ConstraintViolation')])],
    ],
  },
  E_COMPENSATE_SELF: {
    wrong: [
      [
        'a group',
        workflow([group('g', [value('a')], undo({ url: 'https://a.example' }))]),
        '/steps/0/compensate',
      ],
      [
        'a fail step',
        workflow([
          { id: 'f', type: 'fail', config: { error: 'No' }, ...undo({ url: 'https://a.example' }) },
        ]),
        '/steps/0/compensate',
      ],
    ],
    right: [
      [
        'a step in a group',
        workflow([group('g', [value('a', [], undo({ url: 'https://a.example' }))])]),
      ],
    ],
  },
  E_BUDGET_REGION: {
    wrong: [
      [
        'two large outputs',
        workflow([1, 2].map((n) => value(`s${n}`, [], { max_output_bytes: 131_072 }))),
        '/steps',
      ],
      [
        'beside each other, read',
        workflow(
          [
            ...[1, 2].map((n) => value(`s${n}`, [], { max_output_bytes: 131_072 })),
            reads('c', ['s1', 's2'], '[$steps.s1.output, $steps.s2.output]'),
          ],
          { output: 1 },
        ),
        '/steps/0',
      ],
      [
        'a container of its own size',
        workflow([
          group('g', [value('a', [], { max_output_bytes: 2_000 })], { max_output_bytes: 1_000 }),
        ]),
        '/steps/0',
      ],
    ],
    right: [
      [
        'in a row, with an output',
        workflow(
          [1, 2, 3].map((n) =>
            value(`s${n}`, n === 1 ? [] : [`s${n - 1}`], { max_output_bytes: 131_072 }),
          ),
          { output: 1 },
        ),
      ],
      [
        'beside each other, unread',
        workflow(
          [1, 2, 3].map((n) => value(`s${n}`, [], { max_output_bytes: 131_072 })),
          { output: 1 },
        ),
      ],
      ['a hundred open budgets', workflow(Array.from({ length: 100 }, (_, n) => value(`s${n}`)))],
    ],
  },
  E_BUDGET_MAP: {
    wrong: [
      [
        '100 times 4 KiB',
        workflow([forEach('e', [value('a', [], { max_output_bytes: 4_096 })])], { output: 1 }),
        '/steps/0',
      ],
      [
        '1000 items, 5 steps',
        workflow(
          [
            forEach(
              'e',
              [1, 2, 3, 4, 5].map((n) => value(`s${n}`)),
              { max_items: 1_000 },
            ),
          ],
          { output: 1 },
        ),
        '/steps/0',
      ],
    ],
    right: [
      [
        '100 times 2 KiB',
        workflow([forEach('e', [value('a', [], { max_output_bytes: 2_048 })])], { output: 1 }),
      ],
    ],
  },
  E_BUDGET_LEDGER: {
    wrong: [
      [
        '1000 times a body',
        workflow([
          forEach(
            'e',
            [
              value(
                'a',
                [],
                undo({ url: 'https://a.example/undo', body: { id: '{% $item.id %}' } }),
              ),
            ],
            { max_items: 1_000 },
          ),
        ]),
        '/steps/0/config/steps/0/compensate',
      ],
      [
        'a long text',
        workflow([value('a', [], undo({ url: 'https://a.example', body: 'x'.repeat(33_000) }))]),
        '/steps/0/compensate',
      ],
    ],
    right: [
      [
        '100 times a body',
        workflow([
          forEach('e', [
            value('a', [], undo({ url: 'https://a.example/undo', body: { id: '{% $item.id %}' } })),
          ]),
        ]),
      ],
    ],
  },
};

export const WARNINGS: { readonly [code: string]: Cases } = {
  W_REDUNDANT_DEP: {
    wrong: [
      [
        'implied by the other',
        workflow([value('a'), value('b', ['a']), value('c', ['a', 'b'])]),
        '/steps/2/depends_on',
      ],
    ],
    right: [
      [
        'the way there may run after a failure',
        workflow([value('a'), value('b', ['a'], { trigger: 'all_done' }), value('c', ['a', 'b'])]),
      ],
      [
        'another rule',
        workflow([
          value('a'),
          value('b', ['a']),
          value('c', ['a', 'b'], { trigger: 'none_failed' }),
        ]),
      ],
    ],
  },
  W_UNREACHABLE: {
    wrong: [
      ['never true', workflow([value('a', [], { when: '{% false %}' })]), '/steps/0/when'],
      [
        'success of a fail step',
        workflow([{ id: 'f', type: 'fail', config: { error: 'No' } }, value('a', ['f'])]),
        '/steps/1/trigger',
      ],
      [
        'failure of a wait',
        workflow([
          { id: 'w', type: 'wait', config: { duration: '1s' } },
          value('a', ['w'], { trigger: 'one_failed' }),
        ]),
        '/steps/1/trigger',
      ],
      [
        'behind an always-true case',
        workflow([branch([arm('true', value('a')), arm('$input.x = 1', value('b'))])]),
        '/steps/0/config/cases/1',
      ],
      [
        'else behind an always-true case',
        workflow([branch([arm('true', value('a'))], { else: [value('b')] })]),
        '/steps/0/config/else',
      ],
      [
        'a loop that ends at once',
        workflow([loop({ until: '{% true %}', max_iterations: 3 })]),
        '/steps/0/config/until',
      ],
    ],
    right: [
      ['failure of a call', workflow([call('a'), value('b', ['a'], { trigger: 'one_failed' })])],
      [
        'a fail step that may be passed',
        workflow([
          { id: 'f', type: 'fail', continue_on_failure: true, config: { error: 'No' } },
          value('a', ['f']),
        ]),
      ],
      [
        'an always-true case at the end',
        workflow([branch([arm('$input.x = 1', value('a')), arm('true', value('b'))])]),
      ],
    ],
  },
  W_BARRIER: {
    wrong: [
      [
        'an N',
        workflow([value('a'), value('b'), value('c', ['a', 'b']), value('d', ['b'])]),
        '/steps/3',
      ],
    ],
    right: [
      [
        'a diamond',
        workflow([value('a'), value('b', ['a']), value('c', ['a']), value('d', ['b', 'c'])]),
      ],
    ],
  },
  W_JOIN_AFTER_SKIP: {
    wrong: [
      [
        'a join',
        workflow([
          value('a', [], { when: '{% $input.x = 1 %}' }),
          value('b'),
          value('c', ['a', 'b']),
        ]),
        '/steps/2',
      ],
    ],
    right: [
      ['no join', workflow([value('a', [], { when: '{% $input.x = 1 %}' }), value('c', ['a'])])],
      [
        'another rule',
        workflow([
          value('a', [], { when: '{% $input.x = 1 %}' }),
          value('b'),
          value('c', ['a', 'b'], { trigger: 'none_failed_min_one_success' }),
        ]),
      ],
    ],
  },
  W_RULE_WITHOUT_DEPS: {
    wrong: [
      [
        'one_failed on a root',
        workflow([value('a', [], { trigger: 'one_failed' })]),
        '/steps/0/trigger',
      ],
    ],
    right: [['all_done on a root', workflow([value('a', [], { trigger: 'all_done' })])]],
  },
  W_NOT_EQUAL_UNDEFINED: {
    wrong: [
      ['a path', workflow([value('a', [], { when: "{% $input.x != 'done' %}" })]), '/steps/0/when'],
    ],
    right: [['$not', workflow([value('a', [], { when: "{% $not($input.x = 'done') %}" })])]],
  },
  W_COMPARE_UNGUARDED: {
    wrong: [
      ['a path', workflow([value('a', [], { when: '{% $input.x > 5 %}' })]), '/steps/0/when'],
    ],
    right: [
      [
        '$exists before',
        workflow([value('a', [], { when: '{% $exists($input.x) and $input.x > 5 %}' })]),
      ],
    ],
  },
  W_NO_RETRY: {
    wrong: [['a call', workflow([{ id: 'a', type: 'database_operation' }]), '/steps/0']],
    right: [
      [
        'a retry',
        workflow([{ id: 'a', type: 'database_operation', config: { retry: { max_attempts: 1 } } }]),
      ],
    ],
  },
  W_NON_IDEMPOTENT_RETRY: {
    wrong: [['a POST', workflow([call('a', { method: 'POST' })]), '/steps/0/config/retry']],
    right: [
      ['a PUT', workflow([call('a', { method: 'PUT' })])],
      [
        'a key',
        workflow([
          call('a', { method: 'POST', headers: { 'X-Idempotency-Key': '{% $execution.id %}' } }),
        ]),
      ],
    ],
  },
  W_SLOT_HELD: {
    wrong: [
      [
        'an approval of days takes a slot',
        workflow([{ id: 'a', type: 'approval', config: { assignee: 'ops', timeout: '2d' } }], {
          limits: { concurrency: 3 },
        }),
        '/steps/0',
      ],
      [
        'a long wait takes a slot',
        workflow([{ id: 'a', type: 'wait', config: { duration: '2h' } }], {
          limits: { concurrency: 3, starts: { count: 10, per: '1m' } },
        }),
        '/steps/0',
      ],
    ],
    right: [
      [
        'a rate alone takes none',
        workflow([{ id: 'a', type: 'wait', config: { duration: '2h' } }], {
          limits: { starts: { count: 10, per: '1m' } },
        }),
      ],
      [
        'a short wait',
        workflow([{ id: 'a', type: 'wait', config: { duration: '2s' } }], {
          limits: { concurrency: 3 },
        }),
      ],
    ],
  },
  W_COST: {
    wrong: [
      [
        '300 items, 40 rounds',
        workflow(
          [
            forEach(
              'e',
              [loop({ until: '{% $loop.index = 40 %}', max_iterations: 40 }, [call('a')])],
              { max_items: 300 },
            ),
          ],
          { output: 1 },
        ),
        '/steps/0/config/steps/0/config/steps/0',
      ],
    ],
    right: [
      [
        '30 items',
        workflow(
          [
            forEach(
              'e',
              [loop({ until: '{% $loop.index = 40 %}', max_iterations: 40 }, [call('a')])],
              { max_items: 30 },
            ),
          ],
          { output: 1 },
        ),
      ],
    ],
  },
};
