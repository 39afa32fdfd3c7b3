import { describe, expect, it } from 'vitest';
import { splitTemplate } from '#core/expr/template.ts';

const expression = (source: string) => ({ kind: 'expression', source });
const text = (value: string) => ({ kind: 'text', text: value });

describe('splitTemplate', () => {
  it('leaves text alone', () => {
    expect(splitTemplate('plain { % } text')).toEqual(text('plain { % } text'));
    expect(splitTemplate('')).toEqual(text(''));
  });

  it('takes a whole string for one expression', () => {
    expect(splitTemplate('{% $input.a %}')).toEqual(expression('$input.a'));
    expect(splitTemplate('{%%}')).toEqual(expression(''));
  });

  it('cuts several parts, in order', () => {
    expect(splitTemplate('a {% $input.b %} c{%$input.d%}')).toEqual({
      kind: 'parts',
      parts: [text('a '), expression('$input.b'), text(' c'), expression('$input.d')],
    });
    expect(splitTemplate(' {% 1 %}')).toEqual({
      kind: 'parts',
      parts: [text(' '), expression('1')],
    });
  });

  it.each([
    '{% $input.a',
    '$input.a %}',
    'a %} b {% c',
    '{% a {% b %} %}',
    '{% a %} %}',
    '{% "%}" %}',
  ])('refuses the lone mark in %s', (given) => {
    expect(splitTemplate(given, '/x')).toMatchObject({
      kind: 'problem',
      problem: { code: 'E_EXPR_PARSE', pointer: '/x' },
    });
  });
});
