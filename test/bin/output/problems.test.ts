import { describe, expect, it } from 'vitest';
import { formatProblem } from '../../../bin/output/problems.ts';
import { HOSTILE, RAW } from './hostile.ts';
import { plainTerminal } from './plain-terminal.ts';

const file = { name: 'w.json', text: '{\n\t"workflow_id": "a",\n  "steps": [{"id": "b"}]\n}\n' };

describe('a problem', () => {
  it('is said with its place, what was given and what is allowed, and marked', () => {
    const text = formatProblem(
      plainTerminal(80),
      file,
      {
        code: 'E_SCHEMA',
        pointer: '/steps/0/id',
        message: 'the id is taken',
        given: '"b"',
        allowed: 'another',
      },
      'error',
    );
    expect(text).toBe(`w.json:3:14  error  E_SCHEMA  /steps/0/id
  the id is taken
  given: "b"
  allowed: another
    3 |   "steps": [{"id": "b"}]
      |              ^
`);
  });

  it('is marked in the right column behind a tab', () => {
    const problem = { code: 'E', pointer: '/workflow_id', message: 'm' };
    const [, , line = '', mark = ''] = formatProblem(
      plainTerminal(80),
      file,
      problem,
      'warning',
    ).split('\n');
    expect(line[mark.indexOf('^')]).toBe('"');
  });

  it('shows a long line from near its place on', () => {
    const long = { name: 'l.json', text: JSON.stringify({ pad: 'x'.repeat(500), id: 1 }) };
    const lines = formatProblem(
      plainTerminal(60),
      long,
      { code: 'E', pointer: '/id', message: 'm' },
      'error',
    ).split('\n');
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(60);
    const [mark = '', source = ''] = [lines.at(-2), lines.at(-3)];
    expect(source.slice(mark.indexOf('^'))).toMatch(/^"id"/);
  });

  it.each(Object.values(HOSTILE))('is not moved by %j in a document', (text) => {
    const hostile = { name: text, text: `{"${text}": "${text}"}` };
    const problem = {
      code: text,
      pointer: `/${text}`,
      message: text,
      given: text,
      allowed: text,
    };
    for (const width of [40, 80, Number.POSITIVE_INFINITY]) {
      expect(formatProblem(plainTerminal(width), hostile, problem, 'error')).not.toMatch(RAW);
    }
  });
});
