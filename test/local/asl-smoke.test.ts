import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { compileMachine } from '#core/asl/compile.ts';
import type { JsonObject } from '#core/json.ts';
import { checkDefinition } from '#core/plan/check.ts';
import type { ConformanceCase } from '#test/conformance/case.ts';
import { begin, createWorld, finish } from '#test/local/asl/harness.ts';
import { createSmokeRunner } from '#test/local/asl-smoke-runner.ts';

/**
 * Compiled machines on the local interpreter, with a step runner in memory: the conformance cases as
 * far as that reaches.
 */
const LEFT_OUT: { readonly [name: string]: string } = {
  'sub-workflow': 'children need the accept path',
  'foreach-nested': 'checkDefinition refuses it (E_BUDGET_MAP): default max_items, squared',
  'join-after-skip':
    'expects RULE_NOT_MET where core/execution and the compiler say UPSTREAM_SKIPPED',
};

const CASES = new URL('../conformance/cases/', import.meta.url);
const cases = readdirSync(CASES)
  .filter((name) => name.endsWith('.json'))
  .map((name) => JSON.parse(readFileSync(new URL(name, CASES), 'utf8')) as ConformanceCase)
  .filter(({ name }) => !Object.hasOwn(LEFT_OUT, name));

describe('compiled machines do on the interpreter what the rules say', () => {
  it.each(cases.map((each): [string, ConformanceCase] => [each.name, each]))(
    '%s',
    async (_, one) => {
      const checked = checkDefinition(one.workflow);
      if (!checked.ok) throw new Error(JSON.stringify(checked.problems));
      const compiled = compileMachine(checked.program);
      if (!compiled.ok) throw new Error(JSON.stringify(compiled.problems));
      const runner = createSmokeRunner(checked.program, one.input, one.world ?? {});
      const world = createWorld(runner.handler);
      const arn = await begin(world, compiled.machine as unknown as JsonObject, one.input);
      const outcome = await finish(world, arn);

      expect([...world.faults, ...runner.faults]).toEqual([]);
      const { status, cause } = outcome;
      expect({ status, cause: status === 'FAILED' ? null : cause }).toEqual({
        status: one.expect.status === 'COMPLETED' ? 'SUCCEEDED' : 'FAILED',
        cause: null,
      });
      const verdicts = [...runner.records].map(([key, { verdict }]) => [key, verdict]);
      expect(Object.fromEntries(verdicts)).toEqual(one.expect.steps);
      expect(runner.report.status).toBe(one.expect.status);
      expect(runner.report.error).toBe(one.expect.error ?? runner.report.error);
      if (one.expect.compensation !== undefined) {
        expect(runner.report.compensation).toBe(one.expect.compensation);
      }
      if (one.expect.output !== undefined) expect(outcome.output).toEqual(one.expect.output);
      for (const [key, output] of Object.entries(one.expect.outputs ?? {})) {
        expect([key, runner.records.get(key)?.output]).toEqual([key, output]);
      }
      for (const [key, attempts] of Object.entries(one.expect.attempts ?? {})) {
        expect([key, runner.records.get(key)?.attempts]).toEqual([key, attempts]);
      }
      for (const [key, times] of Object.entries(one.expect.call_times ?? {})) {
        expect([key, runner.callTimes.get(key)]).toEqual([key, times]);
      }
      if (one.expect.compensations !== undefined) {
        expect(runner.compensations).toEqual(one.expect.compensations);
      }
    },
  );
});
