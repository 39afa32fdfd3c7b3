import type { HistoryStore } from '#ports/history-store.ts';

/** Histories in this process, for tests and for running one machine file. */
export function createMemoryHistoryStore(): HistoryStore {
  const executions = new Map<string, string[]>();
  const finished = new Set<string>();
  return {
    append(executionArn, rows) {
      const stored = executions.get(executionArn) ?? [];
      // Numbers have no gaps, so each must be the next.
      if (rows.some((row, index) => row.seq !== stored.length + index + 1)) {
        return Promise.resolve(false);
      }
      executions.set(executionArn, stored);
      stored.push(...rows.map(({ text }) => text));
      if (rows.some(({ ends }) => ends)) finished.add(executionArn);
      return Promise.resolve(true);
    },
    load: (executionArn) => Promise.resolve([...(executions.get(executionArn) ?? [])]),
    unfinished(after, limit) {
      const names = [...executions.keys()].filter(
        (name) => !finished.has(name) && (after === null || name > after),
      );
      return Promise.resolve(names.sort().slice(0, limit));
    },
  };
}
