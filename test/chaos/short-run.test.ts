import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { describeWithPostgres } from '#test/support/database.ts';
import type { Report } from './run.ts';

const MAIN = fileURLToPath(new URL('./main.ts', import.meta.url));
/** Another seed is another plan: a failure names it, and `npm run chaos -- --short --seed S` repeats it. */
const SEED = 20_261_126;

// It starts servers of its own; where none can be had, neither can the shared one.
describeWithPostgres('the platform under faults', () => {
  it('an engine is killed, one stands still, the database is stopped, answers are lost, a clock jumps: nothing is violated', {
    timeout: 900_000,
  }, async () => {
    const child = spawn(process.execPath, [MAIN, '--short', '--json', '--seed', String(SEED)], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let [out, told] = ['', ''];
    child.stdout.on('data', (chunk) => {
      out += chunk;
    });
    child.stderr.on('data', (chunk) => {
      told += chunk;
    });
    await once(child, 'close');
    expect(out, told).not.toBe('');
    const report = JSON.parse(out) as Report;
    expect(report.failures, report.logs.join('\n')).toEqual([]);
    expect(report.void, told).toBeNull();
    expect(report.faults).toHaveLength(5);
    expect(report.acknowledged).toBeGreaterThan(0);
  });
});
