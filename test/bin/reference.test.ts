import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { EXIT } from '../../bin/cli-error.ts';
import { HEADING, reference } from './reference.ts';

const document = await readFile(new URL('../../docs/cli.md', import.meta.url), 'utf8');

it('docs/cli.md has every command, option, choice, default and example of the program', () => {
  // To bring it up to date: the end of the document is what `node test/bin/reference.ts` prints.
  expect(document.slice(document.indexOf(HEADING))).toBe(reference());
});

it('every command has an example that begins with its name', () => {
  const sections = reference().split('\n### ').slice(2);
  expect(sections.length).toBeGreaterThan(10);
  for (const text of sections) {
    const name = text.split('\n', 1)[0] ?? '';
    expect(text.split('```sh\n')[1] ?? '').toMatch(new RegExp(`^${name}\\b`));
  }
});

it('docs/cli.md lists every exit status', () => {
  for (const [name, status] of Object.entries(EXIT)) {
    expect(document, name).toMatch(new RegExp(`^\\| ${status} \\| .+ \\|$`, 'm'));
  }
});
