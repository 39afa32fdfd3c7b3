import { expect, it } from 'vitest';
import { createJsonLog } from '#adapters/local/json-log.ts';
import { quietConsole } from '#functions/shared/quiet-console.ts';
import { RunnerFailure } from '#steps/runner/failure.ts';

it('what goes to the console of a function leaves without its words', () => {
  const lines: string[] = [];
  const log = createJsonLog({
    write: (line) => void lines.push(line),
    level: 'info',
    time: () => '',
  });
  const target = { ...globalThis.console };
  quietConsole(log, target);
  const failure = new RunnerFailure({ code: 'ZanzibarFailed', message: 'zanzibar' }, 1);
  // As Lambda's runtime tells what a function threw.
  target.error('Invoke Error', failure);
  target.warn('zanzibar');
  target.log({ zanzibar: 1 });
  expect(lines.join('')).not.toMatch(/zanzibar/i);
  const told = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  expect(told.map(({ event }) => event)).toEqual([
    'INVOCATION_FAILED',
    'CONSOLE_USED',
    'CONSOLE_USED',
  ]);
  expect(told[0]).toMatchObject({ error: { name: 'OfTenant', message: '' } });
});
