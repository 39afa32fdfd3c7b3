import { defineConfig } from 'vitest/config';

// Projects with budgets of their own. They run one after the other (`groupOrder`), each on the same number of
// workers: Vitest refuses a run whose projects share an order but not that number, and its default for the
// number depends on the machine. `unit` is pure and still: no network, no server, no sleep.
// `integration` starts real servers through test/support and is where time may pass.
const workers = 2;

export default defineConfig({
  test: {
    reporters:
      process.env['CI'] === undefined
        ? ['default']
        : ['default', './test/support/count-reporter.ts'],
    projects: [
      {
        test: {
          name: 'unit',
          maxWorkers: workers,
          sequence: { groupOrder: 0 },
          include: [
            'test/core/**/*.test.ts',
            'test/contract/**/*.test.ts',
            'test/steps/**/*.test.ts',
            'test/services/**/*.test.ts',
            'test/client/**/*.test.ts',
            'test/local/**/*.test.ts',
            'test/mutations/**/*.test.ts',
            'test/chaos/checker/**/*.test.ts',
            'test/*.test.ts',
          ],
          // Seconds where the machine is its own; the rest is for one that others keep busy.
          testTimeout: 30_000,
          // Pure files share their modules: importing them for each took a third of the time.
          isolate: false,
        },
      },
      {
        test: {
          name: 'proof',
          maxWorkers: workers,
          sequence: { groupOrder: 1 },
          include: ['test/conformance/**/*.test.ts', 'test/simulation/**/*.test.ts'],
          testTimeout: 600_000,
        },
      },
      {
        test: {
          name: 'infra',
          maxWorkers: workers,
          sequence: { groupOrder: 2 },
          include: ['test/infra/**/*.test.ts'],
          globalSetup: ['test/support/servers.ts', 'test/support/bundles.ts'],
          testTimeout: 60_000,
          hookTimeout: 120_000,
        },
      },
      {
        test: {
          name: 'integration',
          maxWorkers: workers,
          sequence: { groupOrder: 3 },
          include: [
            'test/adapters/**/*.test.ts',
            'test/chaos/*.test.ts',
            'test/engine/**/*.test.ts',
            'test/evaluator/**/*.test.ts',
            'test/functions/**/*.test.ts',
            'test/integration/**/*.test.ts',
            'test/bin/**/*.test.ts',
          ],
          globalSetup: ['test/support/servers.ts'],
          testTimeout: 60_000,
          hookTimeout: 120_000,
        },
      },
    ],
  },
});
