import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { noticesOf } from '#config/notices.ts';
import { readStageSettings } from '#config/stage-settings.ts';
import { STAGES } from '#config/stages.ts';
import { ROOT } from '../../bin/build/bundle.ts';
import manifest from '../../package.json' with { type: 'json' };

const FILES = ['deploy.yml', 'deploy-stage.yml', 'drift.yml'] as const;
const read = (file: string): string => readFileSync(join(ROOT, '.github/workflows', file), 'utf8');

it('the pipeline deploys every stage, each after the one before it, once all is checked', () => {
  const text = read('deploy.yml');
  const waits = STAGES.map((stage) => {
    const job = text.slice(text.indexOf(`\n  ${stage}:\n`));
    expect(job).toContain(`with: { stage: ${stage} }`);
    return /needs: (\w+)/.exec(job)?.[1];
  });
  expect(waits).toEqual(['check', ...STAGES.slice(0, -1)]);
  expect(text).toContain("if: github.ref == 'refs/heads/main'");
});

it('drift is looked for in every stage, and fails the run', () => {
  const text = read('drift.yml');
  expect(text).toContain(`stage: [${STAGES.join(', ')}]`);
  expect(text).toMatch(/cdk drift '\*' --fail/);
});

it('what it runs is there, and it holds no key of AWS', () => {
  for (const file of FILES) {
    const text = read(file);
    for (const [, script = ''] of text.matchAll(/npm run ([\w:]+)/g)) {
      expect(Object.keys(manifest.scripts), file).toContain(script);
    }
    if (text.includes('.ci/run')) expect(existsSync(join(ROOT, '.ci/run'))).toBe(true);
    expect(text).not.toMatch(/aws-access-key-id|secrets\./);
    expect(text).toMatch(/^permissions:\n {2}contents: read$/m);
  }
});

it.each(STAGES)(
  'notices of stage %s have names of their own and a page that says what to do',
  (stage) => {
    const notices = noticesOf(readStageSettings({ stage, account: undefined }, {}));
    expect(new Set(notices.map(({ name }) => name)).size).toBe(notices.length);
    for (const { name, page } of notices) {
      expect(readFileSync(join(ROOT, page), 'utf8'), page).toContain(`\`${name}\``);
    }
  },
);
