import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, inject, it } from 'vitest';
import { readStageSettings } from '#config/stage-settings.ts';
import { STAGES } from '#config/stages.ts';
import { ROOT } from '../../bin/build/bundle.ts';
import { synthesise } from './synth.ts';

const PAGE = readFileSync(join(ROOT, 'docs/secrets.md'), 'utf8');
/** Rows of the table, by the name of their secret in the form of the page. */
const rows = new Map(
  [...PAGE.matchAll(/^\| `(cloudflow\/<stage>\/[^`]+)`.*\| ([^|]+) \|$/gm)].map(
    ([, name = '', copy = '']) => [name, copy],
  ),
);
const TENANTS = 'cloudflow/<stage>/tenants/...';

it('docs/secrets.md names every secret that any stage makes and no other, and says which are copied', () => {
  const made = new Map<string, boolean>();
  for (const stage of STAGES) {
    for (const { Properties } of synthesise(stage, inject('dist')).ofType(
      'AWS::SecretsManager::Secret',
    )) {
      const name = String(Properties['Name']).replace(`cloudflow/${stage}/`, 'cloudflow/<stage>/');
      const copied = Properties['ReplicaRegions'] !== undefined;
      made.set(name, copied || (made.get(name) ?? false));
      expect(copied && readStageSettings({ stage, account: undefined }, {}).standby === null).toBe(
        false,
      );
    }
  }
  expect([...rows.keys()].filter((name) => name !== TENANTS).sort()).toEqual(
    [...made.keys()].sort(),
  );
  for (const [name, copied] of made) {
    expect([name, rows.get(name) === 'a copy']).toEqual([name, copied]);
  }
  expect(rows.get(TENANTS)).toBe('a copy');
  // Templates of three stages, each through every check.
}, 400_000);
