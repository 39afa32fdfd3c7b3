import { describe, expect, it } from 'vitest';
import { compileMachine } from '#core/asl/compile.ts';
import { type Chart, chartsOf, type State } from '#core/asl/types.ts';
import { workflowJsonSchema } from '#core/dsl/json-schema.ts';
import type { JsonObject } from '#core/json.ts';
import { checkDefinition } from '#core/plan/check.ts';
import { PLATFORM_STEP_TYPES, STEP_TYPES, type StepType, TYPES_OF } from '#core/plan/program.ts';

const workflow = (steps: readonly unknown[]): JsonObject =>
  ({ workflow_id: 'mend', version: '1.0.0', steps }) as JsonObject;
const operate = (id: string, more: object = {}) => ({
  id,
  type: 'platform_operation',
  config: { operation: 'database.restore', parameters: { from: '{% $input.from %}' } },
  ...more,
});
const MENDING = workflow([
  operate('restore', {
    compensate: {
      type: 'platform_operation',
      config: {
        operation: 'database.remove',
        parameters: { id: '{% $steps.restore.output.id %}' },
      },
    },
  }),
  {
    id: 'wait-for-it',
    type: 'loop',
    depends_on: ['restore'],
    config: {
      until: "{% $loop.last.look.status = 'available' %}",
      max_iterations: 3,
      steps: [operate('look')],
    },
  },
]);

/** What a step of a tenant may not be, wherever it stands. */
const SMUGGLED: readonly (readonly [where: string, step: object, pointer: string])[] = [
  ['as a step', operate('a'), '/steps/0/type'],
  [
    'in a group',
    { id: 'a', type: 'group', config: { steps: [operate('b')] } },
    '/steps/0/config/steps/0/type',
  ],
  [
    'in an arm',
    { id: 'a', type: 'branch', config: { cases: [{ when: '{% true %}', steps: [operate('b')] }] } },
    '/steps/0/config/cases/0/steps/0/type',
  ],
  [
    'as what undoes a step',
    {
      id: 'a',
      type: 'transform',
      config: { value: 1 },
      compensate: { type: 'platform_operation', config: { operation: 'x' } },
    },
    '/steps/0/compensate/type',
  ],
];

describe('platform_operation', () => {
  it.each(SMUGGLED)('is unknown to tenants %s', (_, step, pointer) => {
    const checked = checkDefinition(workflow([step]));
    expect(checked.ok).toBe(false);
    const problems = checked.ok ? [] : checked.problems;
    expect(problems.map((problem) => `${problem.code} ${problem.pointer}`)).toContain(
      `E_SCHEMA ${pointer}`,
    );
    // What is allowed is told without it, so that nobody is led to it.
    const { given: _given, ...told } = problems.find((problem) => problem.pointer === pointer)!;
    expect(JSON.stringify(told)).not.toContain('platform');
  });

  it('is not in the published schema, nor in any advice', () => {
    expect(JSON.stringify(workflowJsonSchema())).not.toContain('platform');
    const checked = checkDefinition(workflow([{ id: 'a' }, { id: 'b', type: 'fail', result: 1 }]));
    expect(JSON.stringify(checked)).not.toContain('platform');
  });

  it('is a call of the platform’s own workflows, and may undo one', () => {
    const checked = checkDefinition(MENDING, { author: 'platform' });
    expect(checked.ok ? [] : checked.problems).toEqual([]);
  });

  it('has a config like other calls: anything else in it is refused', () => {
    const wrong = { ...operate('a'), config: { operation: 'x', url: 'https://example.com/' } };
    const checked = checkDefinition(workflow([wrong]), { author: 'platform' });
    expect(checked.ok ? [] : checked.problems).toMatchObject([
      { code: 'E_SCHEMA', pointer: '/steps/0/config/url' },
    ]);
  });
});

describe('the platform’s own workflows', () => {
  it('have no types that need what may be away when they run', () => {
    const own: readonly StepType[] = PLATFORM_STEP_TYPES;
    for (const type of STEP_TYPES.filter((each) => !own.includes(each))) {
      const checked = checkDefinition(workflow([{ id: 'a', type, config: {} }]), {
        author: 'platform',
      });
      expect(checked.ok ? [] : checked.problems).toContainEqual(
        expect.objectContaining({ code: 'E_SCHEMA', pointer: '/steps/0/type' }),
      );
    }
    expect(TYPES_OF.tenant.steps).not.toContain('platform_operation');
  });

  it('tell the runner with every task what is run, since nobody accepted it', () => {
    const checked = checkDefinition(MENDING, { author: 'platform' });
    if (!checked.ok) throw new Error('not reached');
    const { program } = checked;
    const payloads = (unaccepted: boolean): JsonObject[] => {
      const compiled = compileMachine(program, { unaccepted });
      expect(compiled.ok ? [] : compiled.problems).toEqual([]);
      return compiled.ok ? payloadsOf(compiled.machine) : [];
    };
    const origin = {
      workflow: 'mend',
      version: '1.0.0',
      program: program.hash,
      input: '{% $states.context.Execution.Input %}',
      started_at: '{% $states.context.Execution.StartTime %}',
    };
    const kinds = new Set<unknown>();
    for (const payload of payloads(true)) {
      kinds.add(payload['kind']);
      expect(payload['origin']).toEqual(origin);
    }
    expect([...kinds].sort()).toEqual([
      'call',
      'compensate',
      'container',
      'ledger',
      'record',
      'report',
    ]);
    for (const payload of payloads(false)) expect(payload).not.toHaveProperty('origin');
  });
});

function payloadsOf(chart: Chart): JsonObject[] {
  return Object.values<State>(chart.States).flatMap((state) => [
    ...(state.Type === 'Task' ? [state.Arguments as { Payload: JsonObject }] : []).map(
      ({ Payload }) => Payload,
    ),
    ...chartsOf(state).flatMap(payloadsOf),
  ]);
}
