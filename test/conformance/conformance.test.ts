import { describe, expect, it } from 'vitest';
import type { ConformanceCase } from './case.ts';
import { allCases } from './cases.ts';
import { differences } from './compare.ts';
import { expectCase } from './expectation.ts';
import { programOf, type RunResult, runScenario } from './harness.ts';
import { machineOf } from './process.ts';

/** Rule 41, case by case: what must come of each on each runtime, and that both are one. */
const RUNTIMES = ['engine', 'step_functions'] as const;
const cases = allCases();
const named = cases.map((one): [string, ConformanceCase] => [one.name, one]);
const runs = new Map<string, Promise<RunResult>>();

function run(one: ConformanceCase, runtime: (typeof RUNTIMES)[number]): Promise<RunResult> {
  const name = `${one.name} ${runtime}`;
  const known = runs.get(name) ?? runScenario(one, { runtime });
  runs.set(name, known);
  return known;
}

it('all cases of the language are here', () => {
  const names = cases.map(({ name }) => name.split(' ')[0]);
  expect(new Set(names).size).toBe(34);
  expect(cases.filter(({ name }) => name.startsWith('rule-table '))).toHaveLength(96);
  expect(new Set(cases.map(({ name }) => name)).size).toBe(cases.length);
});

describe.each(RUNTIMES)('on %s', (runtime) => {
  it.each(named)('%s', async (_, one) => {
    expectCase(one, await run(one, runtime));
  });
});

describe('both reports are equal', () => {
  it.each(named)('%s', async (_, one) => {
    const [engine, machine] = [await run(one, 'engine'), await run(one, 'step_functions')];
    expect(differences(engine, machine)).toEqual([]);
    expect(engine.program.hash).toBe(machine.program.hash);
  });
});

describe('what size-and-names says of the machine and of budgets', () => {
  const one = cases.find(({ name }) => name === 'size-and-names') as ConformanceCase;

  it('state names have at most 80 characters and are unique', () => {
    const names: string[] = [];
    JSON.stringify(machineOf(programOf(one.workflow)), (key, value: unknown) => {
      if (key === 'States') names.push(...Object.keys(value as object));
      return value;
    });
    expect(Math.max(...names.map((name) => name.length))).toBeLessThanOrEqual(80);
    expect(new Set(names).size).toBe(names.length);
  });

  it('budgets that do not fit a region are refused', () => {
    const wide = Array.from({ length: 3 }, (_, i) => ({
      ...{ id: `s${i}`, type: 'transform', max_output_bytes: 131_072 },
      config: { value: 1 },
    }));
    const workflow = { workflow_id: 'wide', version: '1.0.0', steps: wide };
    expect(() => programOf(workflow)).toThrow(/E_BUDGET_REGION/);
  });
});

describe('a parent on one runtime, its children on the other', () => {
  const one = cases.find(({ name }) => name === 'sub-workflow') as ConformanceCase;
  it.each([
    ['engine', 'step_functions'],
    ['step_functions', 'engine'],
  ] as const)('parent on %s, children on %s', async (runtime, children) => {
    const mixed = await runScenario(one, { runtime, children });
    expectCase(one, mixed);
    expect(differences(await run(one, 'engine'), mixed)).toEqual([]);
  });
});
