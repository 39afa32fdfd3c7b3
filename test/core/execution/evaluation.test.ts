import { describe, expect, it } from 'vitest';
import type { Evaluated } from '#core/execution/evaluation.ts';
import { render, TEMPLATE_CHARACTERS, tested } from '#core/execution/evaluation.ts';
import { errorMessage, MESSAGE_CHARS } from '#core/execution/failures.ts';
import { parseExpression } from '#core/expr/parse.ts';
import type { Json } from '#core/json.ts';
import type { Expression, Template } from '#core/plan/program.ts';

function expression(source: string): Expression {
  const parsed = parseExpression(source);
  if (!parsed.ok) throw new Error(source);
  return parsed.expression;
}

const part = expression('$input.x');

describe('text around expressions', () => {
  it.each<[Json, string]>([
    [9007199254740991, '9007199254740991'],
    [-9007199254740991, '-9007199254740991'],
    [0.1 + 0.2, '0.3'],
    [1e-7, '1e-7'],
    [-0, '0'],
    [true, 'true'],
    ['a "b"', 'a "b"'],
  ])('joins %j as the operator & does', (value, text) => {
    const template: Template = { kind: 'text', parts: ['<', part, '>'] };
    expect(render(template, () => ({ ok: true, value }))).toEqual({ ok: true, value: `<${text}>` });
  });
});

describe('the values of one template', () => {
  const value = 'x'.repeat(65_000);
  const of = (count: number): Template => ({
    kind: 'object',
    members: [
      [
        'a',
        {
          kind: 'array',
          items: Array.from({ length: count }, () => ({ kind: 'expression', expression: part })),
        },
      ],
      ['b', { kind: 'text', parts: ['n ', part] }],
    ],
  });

  it('have a bound together', () => {
    const most = Math.floor(TEMPLATE_CHARACTERS / value.length) - 1;
    expect(render(of(most), () => ({ ok: true, value }))).toMatchObject({ ok: true });
    expect(render(of(most + 1), () => ({ ok: true, value }))).toEqual({
      ok: false,
      message: 'the values have more than 1048576 characters together',
    });
  });
});

describe('a condition', () => {
  it.each<[Evaluated, string]>([
    [{ ok: true, value: true }, 'true'],
    [{ ok: true, value: false }, 'false'],
    [{ ok: true }, 'other'],
    [{ ok: true, value: 'true' }, 'other'],
    [{ ok: true, value: 1 }, 'other'],
    [{ ok: false, message: 'the result holds a function', unfit: true }, 'other'],
  ])('that yields %j is %s', (value, is) => {
    expect(tested(value)).toEqual({ ok: true, is });
  });

  it('that cannot be evaluated is an error', () => {
    expect(tested({ ok: false, message: 'no' })).toEqual({
      ok: false,
      error: { code: 'CloudFlow.ExpressionError', message: 'no' },
    });
  });
});

describe('a message', () => {
  it('is cut between characters', () => {
    expect(errorMessage('short')).toBe('short');
    expect(errorMessage('x'.repeat(2_000))).toHaveLength(MESSAGE_CHARS);
    const cut = errorMessage(`x${'🙂'.repeat(600)}`);
    expect(cut).toHaveLength(MESSAGE_CHARS - 1);
    expect(cut.isWellFormed()).toBe(true);
  });
});
