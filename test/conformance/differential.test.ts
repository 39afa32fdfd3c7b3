import { describe, expect, it } from 'vitest';
import { STEP_TYPES, TRIGGER_RULES } from '#core/plan/program.ts';
import { Census } from './census.ts';
import { describeFailure, runSeeds } from './differential.ts';
import { generate } from './generator.ts';
import { FIRST_SEED, SEEDS } from './seeds.ts';

/** Rule 41 by chance: what one runtime makes of a workflow, the other makes of it too. */
const census = new Census();

describe('random workflows mean the same on both runtimes', () => {
  const PART = 250;
  const parts = Array.from({ length: SEEDS / PART }, (_, i) => FIRST_SEED + i * PART);
  it.each(parts)('seeds from %i', async (from) => {
    const [failure] = await runSeeds(from, PART, census);
    if (failure !== undefined) expect.fail(await describeFailure(failure, true));
  });
});

/** What the suite must have seen in one workflow of a hundred at least. */
const SEEN: readonly string[] = [
  ...STEP_TYPES.map((type) => `type: ${type}`),
  ...TRIGGER_RULES.map((rule) => `trigger: ${rule}`),
  ...['S', 'F', 'U', 'K'].map((each) => `class: ${each}`),
  ...[
    'CONDITION_FALSE',
    'CONDITION_NOT_BOOLEAN',
    'RULE_NOT_MET',
    'UPSTREAM_FAILED',
    'UPSTREAM_SKIPPED',
  ].map((reason) => `reason: ${reason}`),
  ...[
    'ApprovalRejected',
    'ArmFailed',
    'AuthenticationFailed',
    'CallbackFailed',
    'ClientError',
    'ConnectionError',
    'ConstraintViolation',
    'DatabaseUnavailable',
    'ExpressionError',
    'GroupFailed',
    'InvalidConfig',
    'InvalidResponse',
    'IterationFailed',
    'LoopLimitExceeded',
    'NotFound',
    'OutputTooLarge',
    'PermissionDenied',
    'SerializationFailure',
    'ServerError',
    'SubWorkflowFailed',
    'Throttled',
    'Timeout',
    'TooManyItems',
    'UnexpectedStatus',
  ].map((name) => `error: CloudFlow.${name}`),
  'error: Bank.Refused',
  'error: Stock.Empty',
  'outcome: COMPLETED',
  'outcome: FAILED',
  'outcome: compensation NONE',
  'outcome: compensation COMPLETE',
  'outcome: compensation PARTIAL',
  'outcome: output failed',
  'outcome: takes time',
  'compensate: http_request',
  'compensate: database_operation',
  'compensate: notification',
  'compensate: sub_workflow',
  'graph: not series-parallel',
  'nesting: 1',
  'nesting: 2',
  'nesting: 3',
  'happened: a child ran',
  'happened: a child called out',
  'happened: children nest to the limit',
  'happened: a retry',
  'happened: a retry helped',
  'happened: a second iteration',
  'happened: an undo was called',
  'happened: a retry of the execution',
  'happened: results were carried over',
  'written: when',
  'written: retry',
  'written: result',
  'written: continue_on_failure',
  'written: text around expressions',
  'expression: simple',
  'expression: of the evaluator',
  'world: a part is away',
];

it('every construct, trigger, error and outcome occurs in one workflow of a hundred', () => {
  expect(census.cases).toBe(SEEDS);
  expect(SEEN.filter((thing) => census.share(thing) < 0.01)).toEqual([]);
});

it('a seed gives the same scenario again', () => {
  expect(generate(FIRST_SEED)).toEqual(generate(FIRST_SEED));
  expect(generate(FIRST_SEED)).not.toEqual(generate(FIRST_SEED + 1));
});
