import { describe, expect, it } from 'vitest';
import { ERRORS, WARNINGS } from './code-cases.ts';
import { approval, errorsOf, value, warningsOf, workflow } from './definitions.ts';

describe.each(Object.entries(ERRORS))('%s', (code, { wrong, right }) => {
  it.each(wrong)('is reported: %s', (_, document, pointer) => {
    expect(errorsOf(document)).toContain(`${code} ${pointer}`);
  });
  it.each(right)('is not: %s', (_, document) => {
    expect(errorsOf(document)).toEqual([]);
  });
});

describe.each(Object.entries(WARNINGS))('%s', (code, { wrong, right }) => {
  it.each(wrong)('is reported: %s', (_, document, pointer) => {
    expect(errorsOf(document)).toEqual([]);
    expect(warningsOf(document)).toContain(`${code} ${pointer}`);
  });
  it.each(right)('is not: %s', (_, document) => {
    expect(errorsOf(document)).toEqual([]);
    expect(warningsOf(document).filter((warning) => warning.startsWith(`${code} `))).toEqual([]);
  });
});

it('the barrier behind a person is chosen so that nobody waits for the person', () => {
  const document = workflow([
    value('a'),
    approval('ask', ['a']),
    value('b', ['a']),
    value('c', ['ask', 'b']),
    value('d', ['b']),
  ]);
  expect(warningsOf(document)).toEqual(['W_BARRIER /steps/3']);
});
