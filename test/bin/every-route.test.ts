import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { expect, it } from 'vitest';
import { operationIds } from '#contract/routes.ts';
import { ROOT } from './cli-process.ts';
import { NO_COMMAND } from './no-command.ts';

/** Derived from the contract: a route that nobody thought of at the command line is found the day it appears. */
const sources = new Map(
  readdirSync(join(ROOT, 'bin'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => join(entry.parentPath, entry.name))
    .map((path) => [relative(ROOT, path), readFileSync(path, 'utf8')] as const),
);

/** `client.getExecution(`, `createClient({ baseUrl }).login(`, `client.send('getUser'`. */
const CALLS = /(?:\bclient|\bcreateClient\(\{[^}]*\}\))\s*\.(?:send\(\s*'(\w+)'|(\w+)\()/g;

const called = new Set(
  [...sources.values()].flatMap((text) =>
    [...text.matchAll(CALLS)].map(([, sent, method]) => sent ?? method ?? ''),
  ),
);

it('every operation of the API is called by a command, or there is a reason why not', () => {
  expect(called.size).toBeGreaterThan(50);
  expect(operationIds.filter((id) => !called.has(id) && NO_COMMAND[id] === undefined)).toEqual([]);
});

it('no reason is given for an operation that a command calls', () => {
  expect(Object.keys(NO_COMMAND).filter((id) => called.has(id))).toEqual([]);
});

it('every command that is written can be typed', () => {
  const written = [...sources].filter(([path]) => path.startsWith('bin/commands/'));
  const unreached = written.flatMap(([path, text]) =>
    [...text.matchAll(/^export async function (\w+)/gm)]
      .map(([, name = '']) => name)
      .filter((name) =>
        [...sources].every(
          ([other, source]) => other === path || !new RegExp(`\\b${name}\\b`).test(source),
        ),
      )
      .map((name) => `${path}: ${name}`),
  );
  expect(written.length).toBeGreaterThan(20);
  expect(unreached).toEqual([]);
});
