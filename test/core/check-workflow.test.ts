import { describe, expect, it } from 'vitest';
import { checkWorkflow } from '#core/check-workflow.ts';

const definition = (
  more: object = {},
  steps: object[] = [{ id: 'a', type: 'http_request', config: { url: 'https://w.test/' } }],
) => ({
  workflow_id: 'w',
  version: '1.0.0',
  ...more,
  steps,
});

const approval = (id: string, depends_on: string[]) => ({
  id,
  type: 'approval',
  depends_on,
  config: { assignee: 'x', timeout: '1d' },
});
/** Needs a barrier behind an approval. */
const SLOW = [
  approval('a', []),
  approval('b', []),
  approval('c', ['a']),
  approval('d', ['a', 'b']),
];

describe('checkWorkflow', () => {
  it('answers with program, machine, report and the runtime chosen', () => {
    const checked = checkWorkflow(definition());
    expect(checked).toMatchObject({
      ok: true,
      runtime: 'step_functions',
      machine: { StartAt: 'a' },
      report: {
        choice: { reason: 'it compiles for Step Functions within all limits', obstacles: [] },
        machine: { states: expect.any(Number), transitions: { happy: 2 } },
        steps: [{ path: 'a' }],
      },
    });
  });

  it('passes on the problems of the definition', () => {
    const checked = checkWorkflow(definition({ version: 'one' }));
    expect(checked).toMatchObject({ ok: false, problems: [{ pointer: '/version' }] });
  });

  it('lets a stage prefer the engine', () => {
    const checked = checkWorkflow(definition(), { preferred: 'engine' });
    expect(checked).toMatchObject({ ok: true, runtime: 'engine', machine: { StartAt: 'a' } });
  });

  it('chooses the engine where Step Functions cannot do it, and says why', () => {
    const checked = checkWorkflow(definition({}, SLOW));
    expect(checked).toMatchObject({
      ok: true,
      runtime: 'engine',
      machine: null,
      report: {
        choice: {
          reason: expect.stringMatching(/^Step Functions cannot run it: .*without depending on it/),
          obstacles: [{ code: 'E_ASL_BARRIER_SLOW' }],
        },
        machine: { barriers: 1 },
      },
    });
  });

  it('refuses a definition that asks for Step Functions and cannot run there', () => {
    const checked = checkWorkflow(definition({ runtime: 'step_functions' }, SLOW));
    expect(checked).toMatchObject({ ok: false, problems: [{ code: 'E_ASL_BARRIER_SLOW' }] });
  });

  it('takes what the definition asks for otherwise', () => {
    const checked = checkWorkflow(definition({ runtime: 'engine' }, SLOW));
    expect(checked).toMatchObject({
      ok: true,
      runtime: 'engine',
      report: { choice: { reason: 'the definition asks for it' } },
    });
  });

  it.each([null, 1, 'x', [], {}, { steps: 3 }])('answers to anything: %j', (document) => {
    expect(checkWorkflow(document)).toMatchObject({ ok: false });
  });
});
