import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { checkDefinition } from '#core/plan/check.ts';
import { allSteps, STEP_TYPES, TRIGGER_RULES } from '#core/plan/program.ts';

const folder = new URL('../../../statemachines/examples/', import.meta.url);
const files = readdirSync(folder).filter((name) => name.endsWith('.json'));

function read(file: string): unknown {
  return JSON.parse(readFileSync(new URL(file, folder), 'utf8'));
}

function check(file: string) {
  const checked = checkDefinition(read(file));
  if (!checked.ok) throw new Error(JSON.stringify(checked.problems, null, 2));
  return checked;
}

/** What an example is warned about on purpose. */
const MEANT: { readonly [file: string]: readonly string[] } = {
  // Taken unchanged from the document that CloudFlow is built from.
  'customer-onboarding.json': ['W_NON_IDEMPOTENT_RETRY', 'W_NO_RETRY'],
  // The same with targets that the local stack has.
  'onboarding-demo.json': ['W_NON_IDEMPOTENT_RETRY'],
};

describe('the examples', () => {
  it.each(files)('%s is accepted, with no warning but those that are meant', (file) => {
    expect(check(file).warnings.map(({ code }) => code)).toEqual(MEANT[file] ?? []);
  });

  it('use every step type, every trigger, both runtimes and every part of the language', () => {
    const programs = files.map((file) => check(file).program);
    const steps = programs.flatMap((program) => [...allSteps(program.root)]);
    expect(new Set(steps.map(({ type }) => type))).toEqual(new Set(STEP_TYPES));
    expect(new Set(steps.map(({ trigger }) => trigger))).toEqual(new Set(TRIGGER_RULES));
    expect(new Set(programs.map(({ runtime }) => runtime))).toEqual(
      new Set(['auto', 'engine', 'step_functions']),
    );
    expect(steps.some((step) => 'result' in step && step.result !== null)).toBe(true);
    expect(steps.some(({ continueOnFailure }) => continueOnFailure)).toBe(true);
    expect(programs.some(({ inputSchema }) => inputSchema !== null)).toBe(true);
    expect(programs.some(({ onFailure }) => onFailure === 'halt')).toBe(true);
    expect(programs.some(({ onCancel }) => onCancel === 'compensate')).toBe(true);
    const nested = steps.filter(({ type, path }) => type === 'for_each' && path.includes('.'));
    expect(nested.length).toBeGreaterThan(0);
    expect(JSON.stringify(programs)).toContain('"kind":"text"');
  });
});
