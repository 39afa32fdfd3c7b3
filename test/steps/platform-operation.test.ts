import { expect, it } from 'vitest';
import type { Json } from '#core/json.ts';
import { checkDefinition } from '#core/plan/check.ts';
import { allSteps, type Step } from '#core/plan/program.ts';
import type { OperationAnswer, OperationRequest } from '#ports/platform-operations.ts';
import type { StepDeps } from '#steps/deps.ts';
import { performCall } from '#steps/perform-call.ts';
import { performCompensation } from '#steps/perform-compensation.ts';
import { callOf, createWorld, undoOf } from './support.ts';

const CONFIG = { operation: 'database.find', parameters: { id: 'main' } };

function operating(): Step {
  const checked = checkDefinition(
    {
      workflow_id: 'mend',
      version: '1.0.0',
      steps: [{ id: 'find', type: 'platform_operation', config: CONFIG }],
    },
    { author: 'platform' },
  );
  if (!checked.ok) throw new Error(JSON.stringify(checked.problems));
  return [...allSteps(checked.program.root)][0]!;
}

function platform(answer: OperationAnswer): StepDeps & { readonly asked: OperationRequest[] } {
  const asked: OperationRequest[] = [];
  const perform = (request: OperationRequest) => {
    asked.push(request);
    return Promise.resolve(answer);
  };
  return { ...createWorld(), platform: { perform }, asked };
}

it('an operation is asked for by name, with the key that all its attempts share', async () => {
  const deps = platform({ ok: true, result: { status: 'available' } });
  expect(await performCall(deps, callOf(operating(), CONFIG))).toMatchObject({
    ok: true,
    output: { status: 'available' },
  });
  const [request] = deps.asked;
  expect(request).toMatchObject(CONFIG);
  expect(request!.idempotencyKey).toMatch(/\/find$/);
});

it('its failure is the failure of the step', async () => {
  const error = { code: 'CloudFlow.Throttled', message: 'slow down' };
  const deps = platform({ ok: false, error });
  expect(await performCall(deps, callOf(operating(), CONFIG))).toEqual({ ok: false, error });
});

it('it undoes under a key of its own', async () => {
  const deps = platform({ ok: true, result: null });
  const record = { type: 'platform_operation', config: CONFIG } as const;
  expect(await performCompensation(deps, undoOf(operating(), record))).toEqual({ ok: true });
  expect(deps.asked[0]?.idempotencyKey).toMatch(/\/find\/compensate$/);
});

it.each<[string, Json]>([
  ['no object', 'database.find'],
  ['no name', { parameters: {} }],
  ['an unknown member', { ...CONFIG, url: 'https://example.com/' }],
])('a config with %s is refused before anything is done', async (_, config) => {
  const deps = platform({ ok: true, result: null });
  expect(await performCall(deps, callOf(operating(), config))).toMatchObject({
    ok: false,
    error: { code: 'CloudFlow.InvalidConfig' },
  });
  expect(deps.asked).toEqual([]);
});

it('whoever runs steps of tenants refuses it, also in a program that is stored', async () => {
  const refused = { ok: false, error: { code: 'CloudFlow.Rejected' } };
  expect(await performCall(createWorld(), callOf(operating(), CONFIG))).toMatchObject(refused);
  const record = { type: 'platform_operation', config: CONFIG } as const;
  expect(await performCompensation(createWorld(), undoOf(operating(), record))).toMatchObject(
    refused,
  );
});
