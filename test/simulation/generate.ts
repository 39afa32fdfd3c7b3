import type { Json } from '#core/json.ts';
import { checkDefinition } from '#core/plan/check.ts';
import type { Program } from '#core/plan/program.ts';
import { TRIGGER_RULES } from '#core/plan/program.ts';
import type { Random } from './random.ts';

/** A random workflow over every construct, with an input. Always valid: a slip of ours throws. */
export interface Generated {
  readonly program: Program;
  readonly input: Json;
}

interface Visible {
  /** Ancestors in this scope and what containers around see. */
  readonly ids: readonly string[];
  readonly item: boolean;
  readonly loop: boolean;
}

export function generate(random: Random, options: { readonly calm: boolean }): Generated {
  const counter = { next: 0 };
  const steps = scope(random, random.int(2, 8), { ids: [], item: false, loop: false }, 0, counter);
  const definition: { [key: string]: unknown } = {
    workflow_id: 'simulated',
    version: '1.0.0',
    steps,
  };
  if (!options.calm) {
    if (random.chance(0.1)) definition['timeout'] = random.int(1, 60) * 1000;
    if (random.chance(0.15)) definition['on_failure'] = 'halt';
  }
  if (random.chance(0.3)) definition['on_cancel'] = 'compensate';
  if (random.chance(0.3)) {
    definition['output'] = random.pick<Json>([
      { n: '{% $input.n %}' },
      '{% $sum($input.items) %}',
      'done {% $execution.workflow_id %}',
      '{% $input.missing %}',
    ]);
  }
  const checked = checkDefinition(definition);
  if (!checked.ok) {
    throw new Error(`generated a wrong definition: ${JSON.stringify(checked.problems[0])}`);
  }
  const items = Array.from({ length: random.int(0, 4) }, (_, i) => i);
  return {
    program: checked.program,
    input: { n: random.int(0, 5), flag: random.chance(0.7), items },
  };
}

function scope(
  random: Random,
  count: number,
  visible: Visible,
  depth: number,
  counter: { next: number },
): object[] {
  const steps: object[] = [];
  const made: { readonly id: string; readonly ancestors: ReadonlySet<string> }[] = [];
  for (let i = 0; i < count; i++) {
    const id = `s${counter.next++}`;
    const dependencies = made.filter(() => random.chance(0.35)).slice(-3);
    const ancestors = new Set<string>();
    for (const dependency of dependencies) {
      ancestors.add(dependency.id);
      for (const ancestor of dependency.ancestors) ancestors.add(ancestor);
    }
    const seen = { ...visible, ids: [...visible.ids, ...ancestors] };
    const step: { [key: string]: unknown } = {
      id,
      ...body(random, id, seen, depth, counter),
      max_output_bytes: 300,
    };
    if (dependencies.length > 0) step['depends_on'] = dependencies.map((d) => d.id);
    if (dependencies.length > 0 && random.chance(0.5)) step['trigger'] = random.pick(TRIGGER_RULES);
    if (random.chance(0.25)) step['when'] = condition(random, seen);
    if (random.chance(0.15)) step['continue_on_failure'] = true;
    if (CONTAINERS.has(step['type'] as string)) delete step['max_output_bytes'];
    else if (step['type'] !== 'fail' && random.chance(0.35)) {
      const data = value(random, seen, id);
      step['compensate'] = random.pick<object>([
        { type: 'http_request', config: { url: 'https://example.com/undo', body: data } },
        {
          type: 'notification',
          config: { channel: 'in_app', template: 'undo', to: 'ops', data: { data } },
        },
      ]);
    }
    steps.push(step);
    made.push({ id, ancestors });
  }
  return steps;
}

const CONTAINERS: ReadonlySet<string> = new Set(['for_each', 'branch', 'loop', 'group']);

function body(
  random: Random,
  id: string,
  visible: Visible,
  depth: number,
  counter: { next: number },
): object {
  const inner = (more: Partial<Visible> = {}) =>
    scope(random, random.int(1, 3), { ...visible, ...more }, depth + 1, counter);
  const kinds = [
    'call',
    'call',
    'call',
    'call',
    'transform',
    'wait',
    'approval',
    'callback',
    'child',
    'fail',
  ];
  if (depth < 2) kinds.push('for_each', 'for_each', 'branch', 'loop', 'group');
  switch (random.pick(kinds)) {
    case 'transform':
      return { type: 'transform', config: { value: value(random, visible) } };
    case 'wait':
      return {
        type: 'wait',
        config: random.chance(0.7)
          ? { duration: random.pick([1, 1000, 5000]) }
          : { until: random.pick(['2020-01-01T00:00:00Z', '{% $input.n %}']) },
      };
    case 'approval':
      return {
        type: 'approval',
        config: { assignee: 'ada', timeout: '2d', on_reject: random.pick(['fail', 'continue']) },
        ...shaped(random),
      };
    case 'callback':
      return {
        type: 'callback',
        config: {
          request: { url: 'https://example.com', body: value(random, visible) },
          timeout: '1d',
        },
        ...shaped(random),
      };
    case 'child':
      return {
        type: 'sub_workflow',
        config: {
          workflow_id: 'other',
          input: value(random, visible),
          mode: random.pick(['wait', 'wait', 'detach']),
        },
      };
    case 'fail':
      return { type: 'fail', config: { error: `Broken.${id}`, message: 'n is {% $input.n %}' } };
    case 'for_each':
      return {
        type: 'for_each',
        config: {
          items: random.pick<Json>([
            '{% $input.items %}',
            [1, 2, 3],
            '{% $map($input.items, function($i) { $i + 1 }) %}',
          ]),
          max_items: 5,
          concurrency: random.int(1, 3),
          steps: inner({ item: true }),
        },
      };
    case 'branch':
      return {
        type: 'branch',
        config: {
          cases: [
            { when: condition(random, visible), steps: inner() },
            { when: condition(random, visible), steps: inner() },
          ],
          ...(random.chance(0.5) ? { else: inner() } : {}),
        },
      };
    case 'loop': {
      const times = random.int(0, 3);
      return {
        type: 'loop',
        config: {
          ...random.pick([
            { while: `{% $loop.index < ${times} %}` },
            { until: `{% $loop.index = ${times} %}` },
            { while: `{% $sum([$loop.index, 1]) <= ${times} %}` },
          ]),
          max_iterations: 2,
          steps: inner({ loop: true }),
        },
      };
    }
    case 'group':
      return { type: 'group', config: { steps: inner() } };
    default:
      return call(random, visible);
  }
}

function call(random: Random, visible: Visible): object {
  const limits = {
    timeout: 10_000,
    ...(random.chance(0.8)
      ? {
          retry: {
            max_attempts: random.int(0, 3),
            backoff: random.pick(['exponential', 'fixed']),
            ...(random.chance(0.3) ? { retry_on: ['CloudFlow.ClientError'] } : {}),
          },
        }
      : {}),
  };
  const data = value(random, visible);
  const config = random.pick<[string, object]>([
    ['http_request', { url: 'https://example.com', method: 'POST', body: data }],
    ['database_operation', { operation: 'op', parameters: { data } }],
    ['notification', { channel: 'in_app', template: 't', to: 'ada', data: { data } }],
  ]);
  return { type: config[0], config: { ...config[1], ...limits }, ...shaped(random) };
}

function shaped(random: Random): object {
  return random.chance(0.2)
    ? { result: random.pick(['{% $result %}', '{% {"all": $string($result)} %}']) }
    : {};
}

function condition(random: Random, visible: Visible): string {
  const options = [
    '{% true %}',
    '{% $input.flag %}',
    '{% $input.n >= 2 %}',
    '{% $sum($input.items) >= 0 %}',
    '{% $input.missing %}',
    '{% $number($input.flag ? "1" : "x") = 1 %}',
  ];
  for (const id of visible.ids.slice(-2)) options.push(`{% $steps.${id}.status = "SUCCESS" %}`);
  if (visible.item) options.push('{% $index < 2 %}');
  if (visible.loop) options.push('{% $loop.index = 0 %}');
  return random.pick(options);
}

function value(random: Random, visible: Visible, self?: string): Json {
  const options: Json[] = [
    1,
    'text {% $input.n %}',
    { n: '{% $input.n %}', sum: '{% $sum($input.items) %}' },
    '{% $string($input.n) %}',
  ];
  for (const id of visible.ids.slice(-2)) {
    options.push(`{% $steps.${id}.status %}`, [`{% $steps.${id}.attempts %}`]);
  }
  if (self !== undefined)
    options.push(`{% $steps.${self}.attempts %}`, `{% $string($steps.${self}.output) %}`);
  if (visible.item) options.push('{% $item %}', { at: '{% $index %}' });
  if (visible.loop) options.push('{% $loop.index %}');
  if (random.chance(0.05)) return '{% $input.missing %}';
  return random.pick(options);
}
