import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { engineScaling } from '#config/engine-scaling.ts';
import { FUNCTIONS, functionNames } from '#config/functions.ts';
import { METRICS, metricNames } from '#config/metrics.ts';
import { seriesOf } from '#config/signals.ts';
import { ROOT } from '../../bin/build/bundle.ts';

const CONTAINERS = 'ECS/ContainerInsights';

const sources = globSync('{lib,functions,bin}/**/*.ts', { cwd: ROOT })
  .filter((file) => file !== 'lib/config/metrics.ts')
  .filter((file) => !/^lib\/(?:stacks|constructs|config)\//.test(file))
  .map((file) => readFileSync(join(ROOT, file), 'utf8'));

it('every metric that is declared is measured somewhere', () => {
  const measured = new Set(
    sources.flatMap((text) =>
      [...text.matchAll(/\.(?:add|watch)\(\s*METRICS\.([A-Za-z]+)/g)].map(([, name]) => name),
    ),
  );
  expect([...measured].sort()).toEqual([...metricNames].sort());
});

it('a level is watched, everything else is added', () => {
  for (const text of sources) {
    for (const [, how, name] of text.matchAll(/\.(add|watch)\(\s*METRICS\.([A-Za-z]+)/g)) {
      const { kind } = METRICS[name as keyof typeof METRICS];
      expect([name, how]).toEqual([name, kind === 'level' ? 'watch' : 'add']);
    }
  }
});

it('the backlog that the engine scales by is counted once a minute, by one program, one at a time', () => {
  const tellers = globSync('{functions,bin}/**/*.ts', { cwd: ROOT }).filter((file) =>
    readFileSync(join(ROOT, file), 'utf8').includes('watchBacklog('),
  );
  expect(tellers).toEqual([FUNCTIONS.measure.entry]);
  expect(FUNCTIONS.measure).toMatchObject({
    reservedConcurrency: 1,
    triggers: [{ kind: 'schedule', everyMinutes: 1 }],
  });
  const [backlog] = engineScaling('prod').filter(({ name }) => name === 'backlog');
  const counted = seriesOf(backlog!.signal).filter(({ namespace }) => namespace !== CONTAINERS);
  expect(counted.map(({ name, statistic }) => [name, statistic])).toEqual([
    ['OldestDue', 'Maximum'],
    ['ExecutionsDue', 'Maximum'],
  ]);
});

it('no function answers before it has told what it measured', () => {
  for (const name of functionNames) {
    const text = readFileSync(join(ROOT, FUNCTIONS[name].entry), 'utf8');
    expect(text, name).toMatch(/^export const handler = invoked\(/m);
    expect(text.match(/^export /gm)).toHaveLength(1);
  }
});
