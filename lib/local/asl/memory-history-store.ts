import { endsExecution, type HistoryRow, type HistoryStore } from './history.ts';

/** Histories in this process, for tests and for running one machine file. Rows pass through JSON. */
export function createMemoryHistoryStore(): HistoryStore {
  const executions = new Map<string, string[]>();
  const finished = new Set<string>();
  return {
    append(executionArn, rows) {
      const stored = executions.get(executionArn) ?? [];
      // Numbers have no gaps, so the first one says whether all fit.
      if (rows.some((row, index) => row.seq !== stored.length + index + 1)) {
        return Promise.resolve(false);
      }
      executions.set(executionArn, stored);
      stored.push(...rows.map((row) => JSON.stringify(row)));
      if (rows.some(endsExecution)) finished.add(executionArn);
      return Promise.resolve(true);
    },
    load(executionArn) {
      const stored = executions.get(executionArn) ?? [];
      return Promise.resolve(stored.map((text): HistoryRow => JSON.parse(text)));
    },
    unfinished(after, limit) {
      const names = [...executions.keys()].filter(
        (name) => !finished.has(name) && (after === null || name > after),
      );
      return Promise.resolve(names.sort().slice(0, limit));
    },
  };
}
