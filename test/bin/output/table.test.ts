import { describe, expect, it } from 'vitest';
import { table } from '../../../bin/output/table.ts';
import { HOSTILE, RAW } from './hostile.ts';
import { plainTerminal } from './plain-terminal.ts';

const ID = '01a20343-3cf1-70bb-8d66-0734ff6f3d80';
const HEADINGS = ['id', 'status', 'workflow'];
const ROWS = [
  [ID, 'COMPLETED', 'customer-onboarding 1.0.0, a long way of saying what it is'],
  [ID, 'FAILED', 'ops 1.0.0'],
];

describe('a table', () => {
  it('aligns, and cuts nothing where no width is known', () => {
    expect(table(plainTerminal(Number.POSITIVE_INFINITY), HEADINGS, ROWS)).toBe(
      `id                                    status     workflow
${ID}  COMPLETED  customer-onboarding 1.0.0, a long way of saying what it is
${ID}  FAILED     ops 1.0.0
`,
    );
  });

  it('cuts its last column to the width', () => {
    const lines = table(plainTerminal(90), HEADINGS, ROWS).trimEnd().split('\n');
    expect(lines[1]).toHaveLength(90);
    expect(lines[1]).toMatch(/…$/);
  });

  it('becomes blocks where the last column would say nothing', () => {
    const text = table(plainTerminal(44), HEADINGS, ROWS);
    expect(text).toBe(`${ID}
  status: COMPLETED
  workflow: customer-onboarding 1.0.0, a
  long way of saying what it is
${ID}
  status: FAILED  workflow: ops 1.0.0
`);
  });

  it.each([40, 50, 60, 80, 120])('fits into %i columns', (width) => {
    for (const line of table(plainTerminal(width), HEADINGS, ROWS).split('\n')) {
      expect([...line].length).toBeLessThanOrEqual(width);
    }
  });

  it.each(Object.values(HOSTILE))('is not moved by %j', (text) => {
    for (const width of [44, 200]) {
      expect(table(plainTerminal(width), HEADINGS, [[ID, text, text]])).not.toMatch(RAW);
    }
  });
});
