import { defineConfig } from 'vitest/config';

// Three projects with budgets of their own. `unit` is pure and still: no network, no server, no sleep.
// `integration` starts real servers through test/support and is where time may pass.
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
          include: [
            'test/core/**/*.test.ts',
            'test/contract/**/*.test.ts',
            'test/steps/**/*.test.ts',
            'test/services/**/*.test.ts',
            'test/client/**/*.test.ts',
            'test/local/**/*.test.ts',
            'test/*.test.ts',
          ],
          testTimeout: 5_000,
          // Pure files share their modules: importing them for each took a third of the time.
          isolate: false,
        },
      },
      {
        test: {
          name: 'proof',
          include: ['test/conformance/**/*.test.ts', 'test/simulation/**/*.test.ts'],
          testTimeout: 600_000,
        },
      },
      {
        test: {
          name: 'infra',
          include: ['test/infra/**/*.test.ts'],
          globalSetup: ['test/support/servers.ts', 'test/support/bundles.ts'],
          testTimeout: 60_000,
          hookTimeout: 120_000,
          maxWorkers: 2,
        },
      },
      {
        test: {
          name: 'integration',
          include: [
            'test/adapters/**/*.test.ts',
            'test/engine/**/*.test.ts',
            'test/evaluator/**/*.test.ts',
            'test/functions/**/*.test.ts',
            'test/integration/**/*.test.ts',
            'test/bin/**/*.test.ts',
          ],
          globalSetup: ['test/support/servers.ts'],
          testTimeout: 60_000,
          hookTimeout: 120_000,
          fileParallelism: true,
          maxWorkers: 2,
        },
      },
    ],
  },
});
