import { join } from 'node:path';
import pg from 'pg';
import type { TestModule, Vitest } from 'vitest/node';
import { createVitest } from 'vitest/node';
import { type Removal, ROOT } from './removal.ts';
import { spoilt } from './removals.ts';

/**
 * Runs files of tests with something taken away, one after the other in one process: PostgreSQL is started and
 * migrated once, and what was not taken away is read and compiled once. Nothing on disk is touched: the source
 * without its check is what the tests are given when they import it.
 */
export interface Without {
  /** Which test fails with it taken away, and at what; null: none does. */
  noticedBy(removal: Removal): Promise<Notice | null>;
  /** Which test of the file fails with nothing taken away. */
  redAlready(test: string): Promise<Notice | null>;
  close(): Promise<void>;
}

export interface Notice {
  readonly test: string;
  readonly title: string;
  /** The first line of what it says. */
  readonly says: string;
}

export async function startWithout(): Promise<Without> {
  const taken = { path: '', text: '' };
  const vitest = await createVitest(
    {
      config: false,
      root: ROOT,
      watch: false,
      include: ['test/**/*.test.ts'],
      // As the project `integration` in vitest.config.ts.
      globalSetup: ['test/support/servers.ts'],
      testTimeout: 60_000,
      hookTimeout: 120_000,
      maxWorkers: 1,
      bail: 1,
      // It goes by what is on disk, where nothing is taken away.
      fsModuleCache: false,
      reporters: [{}],
    },
    {
      plugins: [
        {
          name: 'taken-away',
          enforce: 'pre',
          load: (id) => (id === taken.path ? taken.text : null),
        },
      ],
    },
  );

  /** `path`: of a source that is another one from here on. */
  function take(path: string, text: string): void {
    const before = taken.path;
    Object.assign(taken, { path, text });
    for (const file of [before, path]) if (file !== '') vitest.invalidateFile(file);
  }

  async function inFiles({ tests, first }: Removal): Promise<Notice | null> {
    for (const only of first === undefined ? [null] : [first, null]) {
      for (const test of tests) {
        const found = await run(vitest, test, only);
        if (found !== null) return found;
      }
    }
    return null;
  }

  return {
    async noticedBy(removal) {
      if ('statement' in removal) {
        return withoutInSchema(vitest, removal.statement, () => inFiles(removal));
      }
      take(join(ROOT, removal.file), spoilt(removal));
      try {
        return await inFiles(removal);
      } finally {
        take('', '');
      }
    },
    redAlready: (test) => run(vitest, test, null),
    close: () => vitest.close(),
  };
}

/** `only`: what titles hold; null: all of the file. */
async function run(vitest: Vitest, test: string, only: string | null): Promise<Notice | null> {
  if (only === null) vitest.resetGlobalTestNamePattern();
  else vitest.setGlobalTestNamePattern(only);
  const specifications = await vitest.globTestSpecifications([test]);
  if (specifications.length !== 1) throw new Error(`${test} is not one file of tests`);
  const { testModules, unhandledErrors } = await vitest.runTestSpecifications(specifications);
  // A test that is skipped notices nothing.
  if (vitest.getProvidedContext().postgresUrl === null) throw new Error('there is no PostgreSQL');
  const ran = testModules.find(({ moduleId }) => moduleId === join(ROOT, test));
  if (ran === undefined) throw new Error(`${test} was not run: ${unhandledErrors.map(String)}`);
  const found = failure(ran);
  if (found !== null) return { test, ...found };
  const [error] = [...ran.errors(), ...unhandledErrors];
  if (error === undefined) return null;
  // A source that cannot be read proves nothing of the check that was in it.
  if (ran.children.size === 0) throw new Error(`${test} does not load`, { cause: error });
  return { test, title: 'the whole file', says: firstLine(String((error as Error).message)) };
}

function failure(module: TestModule): Omit<Notice, 'test'> | null {
  for (const each of module.children.allTests('failed')) {
    return { title: each.fullName, says: firstLine(each.result().errors?.[0]?.message) };
  }
  for (const each of module.children.allSuites()) {
    const [error] = each.errors();
    if (error !== undefined) return { title: each.fullName, says: firstLine(error.message) };
  }
  return null;
}

function firstLine(text = ''): string {
  return text.split('\n', 1)[0]?.slice(0, 160) ?? '';
}

/** While `action` runs, tests are given databases in which the statement was executed. */
async function withoutInSchema<T>(
  vitest: Vitest,
  statement: string,
  action: () => Promise<T>,
): Promise<T> {
  const { postgresUrl, postgresTemplate } = vitest.getProvidedContext();
  const name = `${postgresTemplate}_without`;
  const admin = new pg.Client({ connectionString: postgresUrl ?? '' });
  await admin.connect();
  try {
    await admin.query(`create database ${name} template ${postgresTemplate}`);
    const url = new URL(postgresUrl ?? '');
    url.pathname = `/${name}`;
    const inside = new pg.Client({ connectionString: url.href });
    await inside.connect();
    await inside.query(statement);
    await inside.end();
    vitest.provide('postgresTemplate', name);
    return await action();
  } finally {
    vitest.provide('postgresTemplate', postgresTemplate);
    await admin.query(`drop database if exists ${name} with (force)`);
    await admin.end();
  }
}
