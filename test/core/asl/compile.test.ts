import { readdirSync, readFileSync } from 'node:fs';
import jsonata from 'jsonata';
import { describe, expect, it } from 'vitest';
import { compileMachine } from '#core/asl/compile.ts';
import { STATE_NAME_LIMIT, StateNames, shorten } from '#core/asl/names.ts';
import { INFRASTRUCTURE_RETRIER } from '#core/asl/task.ts';
import type { Machine } from '#core/asl/types.ts';
import { checkDefinition } from '#core/plan/check.ts';
import type { Program } from '#core/plan/program.ts';
import { call, compiled, expressionsIn, programOf, steps, validationErrors } from './support.ts';

const ROOT = new URL('../../../', import.meta.url);
const CASES = new URL('test/conformance/cases/', ROOT);
const EXAMPLES = new URL('statemachines/examples/', ROOT);

/** Definitions by name: what the conformance suite runs, and the examples. */
function definitions(): [string, unknown][] {
  const read = (folder: URL, name: string) =>
    JSON.parse(readFileSync(new URL(name, folder), 'utf8'));
  const json = (folder: URL) => readdirSync(folder).filter((name) => name.endsWith('.json'));
  return [
    ...json(CASES).map((name): [string, unknown] => [name, read(CASES, name).workflow]),
    ...json(EXAMPLES).map((name): [string, unknown] => [`example-${name}`, read(EXAMPLES, name)]),
  ];
}

function programFrom(document: unknown): Program | null {
  const checked = checkDefinition(document);
  return checked.ok ? checked.program : null;
}

describe('every conformance case and example', () => {
  const programs = definitions().flatMap(([name, document]): [string, Program][] => {
    const program = programFrom(document);
    return program === null ? [] : [[name, program]];
  });

  it('is among them', () => {
    expect(programs.length).toBeGreaterThan(20);
  });

  it.each(programs)(
    '%s compiles to a machine within the limits of names and depth',
    (_, program) => {
      const { machine, states } = compiled(program);
      for (const name of states.keys()) expect(name.length).toBeLessThanOrEqual(STATE_NAME_LIMIT);
      for (const source of expressionsIn(machine)) expect(depthOf(source)).toBeLessThan(100);
    },
  );
});

/** Levels of the syntax tree, which AWS evaluates at most 100 deep. */
function depthOf(source: string): number {
  const depth = (node: unknown): number => {
    if (typeof node !== 'object' || node === null) return 0;
    const deepest = Math.max(0, ...Object.values(node).map(depth));
    return deepest + ('type' in node ? 1 : 0);
  };
  return depth(jsonata(source).ast());
}

const GOLDENS = ['diamond-merge', 'foreach-partial-failure'];

/** What is the same in every Task stands in a golden by name. */
function readable(value: unknown): unknown {
  if (value === INFRASTRUCTURE_RETRIER) return 'INFRASTRUCTURE_RETRIER';
  if (typeof value === 'string') {
    return value
      .replace(CAUGHT, "{% caught record of class '$1' %}")
      .replace(CAUGHT_ERROR, 'caught error');
  }
  if (Array.isArray(value)) return value.map(readable);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, readable(member)]));
}

/** JSON in which whatever fits a line stands in one. */
function printed(value: unknown, indent: string): string {
  const line = JSON.stringify(value);
  if (typeof value !== 'object' || value === null || indent.length + line.length < 96) return line;
  const deeper = `${indent}  `;
  const [open, close] = Array.isArray(value) ? '[]' : '{}';
  const members = Object.entries(value).map(([key, member]) => {
    const name = Array.isArray(value) ? '' : `${JSON.stringify(key)}: `;
    return `${deeper}${name}${printed(member, deeper)}`;
  });
  return `${open}\n${members.join(',\n')}\n${indent}${close}`;
}

const CAUGHT = /^\{% \(\$e := \$states\.errorOutput.*'k': '(\w)', 'v'.*%\}$/;
const CAUGHT_ERROR =
  /\(\$e := \$states\.errorOutput.*\{'code': \$f.code, 'message': \$f.message\}\)/;

describe('golden machines (update with `vitest run --project unit -u test/core/asl`)', () => {
  const wanted = definitions().filter(
    ([name]) => name.startsWith('example-') || GOLDENS.includes(name.replace('.json', '')),
  );

  it.each(wanted)('%s', async (name, document) => {
    const program = programFrom(document);
    if (program === null) throw new Error(`${name} is not accepted`);
    const text = `${printed(readable(compiled(program).machine), '')}\n`;
    await expect(text).toMatchFileSnapshot(`goldens/${name.replace('.json', '')}.golden.json`);
  });
});

describe('the compiler', () => {
  it('writes the same machine for the same program', () => {
    const list = [call('a'), call('b', { depends_on: ['a'] })];
    expect(JSON.stringify(steps(list).machine)).toBe(JSON.stringify(steps(list).machine));
  });

  it('does not touch the program', () => {
    const program = programOf([call('a'), call('b', { depends_on: ['a'] })]);
    const before = JSON.stringify(program);
    compileMachine(program);
    expect(JSON.stringify(program)).toBe(before);
  });

  it('puts in whatever function it is told', () => {
    const { machine } = compiled(programOf([call('a')]), { stepRunner: 'arn:aws:lambda:x' });
    expect(JSON.stringify(machine)).toContain('"FunctionName":"arn:aws:lambda:x"');
    expect(JSON.stringify(machine)).not.toContain('StepRunner}');
  });

  it('answers with a problem for a program that no definition yields', () => {
    const program = programOf([call('a')]);
    const root = { ...program.root, tree: { kind: 'leaf', step: 7 } as const };
    expect(compileMachine({ ...program, root })).toMatchObject({
      ok: false,
      problems: [{ code: 'E_ASL_INTERNAL' }],
    });
  });
});

describe('limits of Step Functions', () => {
  const many = (count: number, more: object) =>
    Array.from({ length: count }, (_, i) => call(`s${i}`, { max_output_bytes: 50, ...more }));

  it('E_ASL_HISTORY: more events than an execution may have', () => {
    const program = programOf([
      {
        id: 'l',
        type: 'loop',
        config: { while: '{% true %}', max_iterations: 1000, steps: many(5, {}) },
      },
    ]);
    expect(compileMachine(program)).toMatchObject({
      ok: false,
      problems: [{ code: 'E_ASL_HISTORY', allowed: expect.stringContaining('20000') }],
      stats: { events: { worst: expect.any(Number) } },
    });
  });

  it('E_ASL_SIZE: more bytes than a definition may have', () => {
    const groups = Array.from({ length: 5 }, (_, i) => ({
      id: `g${i}`,
      type: 'group',
      max_output_bytes: 16_000,
      config: { steps: many(95, { when: '{% $input.n > 1 %}' }) },
    }));
    const result = compileMachine(programOf(groups));
    expect(result).toMatchObject({ ok: false, problems: [{ code: 'E_ASL_SIZE' }] });
  });

  it('E_ASL_BARRIER_SLOW: a step would wait for something slow that it does not depend on', () => {
    const approval = (id: string, depends_on: string[]) => ({
      id,
      type: 'approval',
      depends_on,
      config: { assignee: 'x', timeout: '1d' },
    });
    const program = programOf([
      approval('a', []),
      approval('b', []),
      approval('c', ['a']),
      approval('d', ['a', 'b']),
    ]);
    const result = compileMachine(program);
    expect(result).toMatchObject({ ok: false, problems: [{ code: 'E_ASL_BARRIER_SLOW' }] });
    expect(JSON.stringify(result)).toMatch(/before/);
  });
});

describe('names of states', () => {
  it('are cut in front, with a hash of the whole', () => {
    const long = `${'a'.repeat(40)}.${'b'.repeat(40)}.${'c'.repeat(40)}`;
    expect(shorten(long)).toHaveLength(STATE_NAME_LIMIT);
    expect(shorten(long)).toMatch(/^[0-9a-f]{16}~.*c{40}$/);
    expect(shorten(`x${long}`)).not.toBe(shorten(long));
  });

  it('belong to steps first; helpers give way', () => {
    const names = new StateNames(['x', 'x.gate']);
    expect(names.step('x.gate')).toBe('x.gate');
    expect(names.helper('x', 'gate')).toBe('x.gate~2');
    expect(names.helper('x', 'gate')).toBe('x.gate~3');
  });

  it('stay unique where ids collide with helpers', () => {
    const { states } = steps([
      call('a'),
      call('b'),
      {
        id: 'x',
        type: 'group',
        depends_on: ['a', 'b'],
        config: { steps: [call('gate'), call('skip', { depends_on: ['gate'] })] },
      },
    ]);
    expect(states.get('x.gate')?.Type).toBe('Task');
    expect(states.get('x.gate~2')?.Type).toBe('Choice');
  });
});

describe('asl-validator', () => {
  it('would say so if a machine were wrong, also among others', () => {
    const good = steps([call('a')]).machine;
    const bad = { ...good, States: { ...good.States, lost: { Type: 'Pass', Next: 'nowhere' } } };
    expect(validationErrors(bad as Machine)).toContain('MISSING_TRANSITION_TARGET');
  });
});
