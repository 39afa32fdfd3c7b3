import { describe, expect, it } from 'vitest';
import { LIMITS } from '#core/dsl/limits.ts';
import { parseDefinition } from '#core/dsl/parse.ts';

const base = { workflow_id: 'sample', version: '1.0.0' };
const step = { id: 'a', type: 'transform', config: { value: 1 } };

function problemsOf(document: unknown) {
  const parsed = parseDefinition(document);
  return parsed.ok ? [] : parsed.problems;
}

const http = (config: object) => ({
  ...base,
  steps: [{ id: 'a', type: 'http_request', config: { url: 'https://a.example', ...config } }],
});

describe('parseDefinition', () => {
  it('gives back the document itself when it is right', () => {
    const document = { ...base, steps: [step] };
    const parsed = parseDefinition(document);
    expect(parsed.ok && parsed.definition).toBe(document);
  });

  it('lists every missing and unknown member with what was probably meant', () => {
    expect(problemsOf({ worflow_id: 'x', steps: [{ ...step, depend_on: [] }] })).toEqual([
      expect.objectContaining({ pointer: '', message: "'workflow_id' is missing" }),
      expect.objectContaining({ pointer: '', message: "'version' is missing" }),
      expect.objectContaining({
        pointer: '/worflow_id',
        message: "unknown key 'worflow_id'; did you mean 'workflow_id'?",
      }),
      expect.objectContaining({
        pointer: '/steps/0/depend_on',
        message: "unknown key 'depend_on'; did you mean 'depends_on'?",
      }),
    ]);
  });

  it.each([['30s'], ['5m'], ['14m'], ['250ms'], [1], [840_000]])(
    'takes %j as a timeout of a call',
    (timeout) => {
      expect(problemsOf(http({ timeout }))).toEqual([]);
    },
  );

  it.each([
    ['15m', 'the duration is out of range'],
    ['1d', 'the duration is out of range'],
    [840_001, 'the value is out of range'],
    [0, 'the value is out of range'],
    [1.5, 'the value does not have the right form'],
    ['1.5s', 'the text does not have the right form'],
    ['PT5M', 'the text does not have the right form'],
    ['9999999999s', 'the text does not have the right form'],
    [null, 'the value does not have the right form'],
    ['{% $input.t %}', 'the text does not have the right form'],
  ])('refuses %j as a timeout of a call, with one problem', (timeout, message) => {
    expect(problemsOf(http({ timeout }))).toEqual([
      expect.objectContaining({ code: 'E_SCHEMA', pointer: '/steps/0/config/timeout', message }),
    ]);
  });

  it('says one thing about one mistake in a union', () => {
    expect(problemsOf(http({ headers: { ok: 'x', bad: [1] } }))).toEqual([
      expect.objectContaining({
        pointer: '/steps/0/config/headers/bad',
        allowed: 'a text, a number or a boolean',
      }),
    ]);
    expect(problemsOf(http({ headers: { 'a b': 'x' } }))).toEqual([
      expect.objectContaining({ pointer: '/steps/0/config/headers/a b', given: '"a b"' }),
    ]);
    expect(problemsOf(http({ headers: 7 }))).toHaveLength(1);
  });

  it('takes labels, and refuses too many or too long ones', () => {
    const labelled = (labels: object) => problemsOf({ ...base, labels, steps: [step] });
    expect(labelled({ team: 'shop', 'cost.center': '4711' })).toEqual([]);
    expect(labelled({ Team: 'shop' })).toHaveLength(1);
    expect(labelled({ team: 7 })).toHaveLength(1);
    expect(labelled({ team: 'x'.repeat(129) })).toHaveLength(1);
    const many = Object.fromEntries(Array.from({ length: 21 }, (_, i) => [`l${i}`, '']));
    expect(labelled(many)).toHaveLength(1);
  });

  it('refuses more than 500 steps in all', () => {
    const group = (id: string, n: number) => ({
      id,
      type: 'group',
      config: { steps: Array.from({ length: n }, (_, i) => ({ ...step, id: `s${i}` })) },
    });
    const five = ['a', 'b', 'c', 'd', 'e'];
    expect(problemsOf({ ...base, steps: five.map((id) => group(id, 99)) })).toEqual([]);
    expect(problemsOf({ ...base, steps: [...five.map((id) => group(id, 99)), step] })).toHaveLength(
      1,
    );
  });
});

describe('hostile documents get an answer soon', () => {
  const quickly = (document: unknown) => {
    const start = performance.now();
    const problems = problemsOf(document);
    expect(performance.now() - start).toBeLessThan(2_000);
    expect(problems.length).toBeGreaterThan(0);
    expect(problems.length).toBeLessThanOrEqual(LIMITS.problems + 1);
    return problems;
  };
  const nest = (depth: number) => {
    let value: unknown = 1;
    for (let i = 0; i < depth; i++) value = i % 2 === 0 ? [value] : { a: value };
    return value;
  };

  it('nesting', () => {
    expect(
      quickly({ ...base, steps: [{ ...step, config: { value: nest(100_000) } }] }),
    ).toHaveLength(1);
    expect(problemsOf({ ...base, steps: [{ ...step, config: { value: nest(60) } }] })).toEqual([]);
    expect(problemsOf({ ...base, steps: [{ ...step, config: { value: nest(61) } }] })).toHaveLength(
      1,
    );
  });

  it('a circle', () => {
    const circle: Record<string, unknown> = { ...base, steps: [step] };
    circle['output'] = circle;
    quickly(circle);
  });

  it('long lists, many keys, much text', () => {
    quickly({ ...base, steps: new Array(1_000_000).fill(step) });
    quickly({ ...base, steps: new Array(40_000).fill(7) });
    quickly({
      ...base,
      steps: [step],
      ...Object.fromEntries(Array.from({ length: 49_000 }, (_, i) => [`k${i}`, i])),
    });
    quickly({ ...base, steps: [step], description: 'x'.repeat(2_000_000) });
    quickly({
      ...base,
      steps: [{ ...step, depends_on: Array.from({ length: 45_000 }, (_, i) => `s${i}`) }],
    });
    quickly({ ...base, steps: [{ ...step, id: 'a'.repeat(900_000), type: 'b'.repeat(90_000) }] });
  });

  it('keys that are prototypes', () => {
    quickly(JSON.parse('{"workflow_id":"a","version":"1.0.0","steps":[],"__proto__":{"x":1}}'));
    quickly(JSON.parse('{"constructor":{"prototype":{"x":1}}}'));
    expect(({} as Record<string, unknown>)['x']).toBeUndefined();
    const named = { ...base, steps: [{ ...step, id: 'constructor' }] };
    expect(problemsOf(named)).toEqual([]);
  });

  it.each([
    ['not JSON', { ...base, steps: [step], output: undefined }],
    ['a function', { ...base, steps: [step], output: () => 1 }],
    ['a date', { ...base, steps: [step], output: new Date(0) }],
    ['infinity', { ...base, steps: [step], output: Number.POSITIVE_INFINITY }],
    ['an integer that is not exact', { ...base, steps: [step], output: 2 ** 53 }],
    ['NUL', { ...base, steps: [step], output: 'a\0b' }],
    ['half a pair', { ...base, steps: [step], output: '\ud800' }],
  ])('%s', (_, document) => {
    expect(quickly(document)).toEqual([
      expect.objectContaining({ code: 'E_SCHEMA', pointer: '/output' }),
    ]);
  });
});
