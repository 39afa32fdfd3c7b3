import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { LIMITS } from '#core/dsl/limits.ts';
import { STEP_ERRORS } from '#core/errors.ts';
import { checkDefinition } from '#core/plan/check.ts';
import { STEP_TYPES, TRIGGER_RULES } from '#core/plan/program.ts';
import { ERRORS, WARNINGS } from '#test/core/plan/code-cases.ts';

const page = readFileSync(new URL('../../../docs/language.md', import.meta.url), 'utf8');
const blocks = [...page.matchAll(/^```(json[^\n]*)\n([\s\S]*?)^```$/gm)].map(
  ([, kind, text], i): [string, string, string] => [
    `block ${i + 1}`,
    kind as string,
    text as string,
  ],
);

/** What an example is warned about on purpose: the first one is taken from elsewhere unchanged. */
const MEANT: { readonly [block: string]: readonly string[] } = {
  'block 1': ['W_NON_IDEMPOTENT_RETRY', 'W_NO_RETRY'],
};

describe('docs/language.md', () => {
  it.each(blocks)('%s (%s) is accepted', (name, kind, text) => {
    expect(['json', 'json fragment']).toContain(kind);
    const value: unknown = JSON.parse(text);
    const document =
      kind === 'json' ? value : { workflow_id: 'fragment', version: '1.0.0', steps: value };
    const checked = checkDefinition(document);
    expect(checked.ok ? [] : checked.problems).toEqual([]);
    expect(checked.warnings.map(({ code }) => code)).toEqual(MEANT[name] ?? []);
  });

  it('has every rule, step type, trigger and error name', () => {
    for (let rule = 1; rule <= 44; rule++) expect(page).toContain(`**R${rule}** `);
    for (const type of STEP_TYPES) expect(page).toContain(`**\`${type}\`** `);
    for (const rule of TRIGGER_RULES) expect(page).toContain(`\`${rule}\``);
    for (const name of Object.keys(STEP_ERRORS)) expect(page).toContain(`\`${name}\``);
  });

  it('says what one execution may record', () => {
    expect(page).toContain(`at most ${LIMITS.executionEvents.toLocaleString('en')} events`);
    expect(page).toContain(`${LIMITS.executionBytes / 1_024 ** 2} MiB of JSON`);
  });

  it('has every code that a check can give', () => {
    const named = new Set([...Object.keys(ERRORS), ...Object.keys(WARNINGS)]);
    expect(named.size).toBeGreaterThan(25);
    for (const code of named) expect(page).toContain(`\`${code}\``);
  });
});
