import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { Json, JsonObject } from '#core/json.ts';
import type { World } from './case.ts';
import { differences } from './compare.ts';
import { runScenario } from './harness.ts';

interface Run {
  readonly shows: string;
  readonly input: Json;
  readonly world?: World;
  readonly report: object;
}

const seat = { 'hold-seat': 'seat', 'free-seat': 'seat' };
const booking = { seat: '12A', insured: true, email: 'ada@example.com' };

/** What becomes of each example of docs/language.md, in the order in which they stand there. */
const RUNS: readonly (readonly Run[])[] = [
  [
    {
      shows: 'two calls, one after the other',
      input: {},
      report: { status: 'COMPLETED', calls: { 'validate-customer': 1, 'create-account': 1 } },
    },
    {
      shows: 'a server that is busy twice',
      input: {},
      world: { http: { 'validate-customer': [{ status: 503 }, { status: 503 }, {}] } },
      report: { status: 'COMPLETED', calls: { 'validate-customer': 3, 'create-account': 1 } },
    },
  ],
  [
    {
      shows: 'text and expressions',
      input: { name: 'Ada', order: 7 },
      report: {
        status: 'COMPLETED',
        output: { greet: { name: 'ADA', line: 'Dear Ada, order 7 is here.' } },
      },
    },
  ],
  [
    {
      shows: 'everything goes well, and nobody is told',
      input: booking,
      world: { parameters: seat },
      report: {
        status: 'COMPLETED',
        calls: { 'hold-seat': 1, insure: 1, book: 1 },
        steps: { apologise: { status: 'SKIPPED' } },
        compensations: [],
      },
    },
    {
      shows: 'without insurance',
      input: { ...booking, insured: false },
      world: { parameters: seat },
      report: {
        status: 'COMPLETED',
        steps: {
          insure: { status: 'SKIPPED', reason: 'CONDITION_FALSE' },
          book: { status: 'SUCCESS' },
        },
      },
    },
    {
      shows: 'no insurer: nothing is booked, the seat is free again',
      input: booking,
      world: { parameters: seat, http: { insure: [{ status: 422 }] } },
      report: {
        status: 'FAILED',
        steps: {
          insure: { status: 'FAILED' },
          book: { status: 'SKIPPED', reason: 'UPSTREAM_FAILED' },
          apologise: { status: 'SUCCESS' },
        },
        compensation: 'COMPLETE',
        compensations: [{ step: 'hold-seat', status: 'SUCCESS' }],
      },
    },
  ],
];

const page = readFileSync(new URL('../../docs/language.md', import.meta.url), 'utf8');
const blocks = [...page.matchAll(/^```(json[^\n]*)\n([\s\S]*?)^```$/gm)].map(([, kind, text]) => {
  const value = JSON.parse(text as string) as Json;
  const steps = { workflow_id: 'fragment', version: '1.0.0', steps: value };
  return (kind === 'json' ? value : steps) as JsonObject;
});

it('every example of the page is run', () => {
  expect(RUNS).toHaveLength(blocks.length);
});

describe.each(RUNS.map((runs, n) => [n + 1, runs] as const))('example %i', (n, runs) => {
  it.each(runs.map((run) => [run.shows, run] as const))('%s', async (name, run) => {
    const scenario = { name, workflow: blocks[n - 1] as JsonObject, ...run };
    const engine = await runScenario(scenario, { runtime: 'engine' });
    const machine = await runScenario(scenario, { runtime: 'step_functions' });
    expect(engine.root.report).toMatchObject(run.report);
    expect(differences(engine, machine)).toEqual([]);
  });
});
