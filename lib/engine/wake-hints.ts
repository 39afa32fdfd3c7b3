/** Timers for what was parked here, so that it is on time (N4 of engine.ts: by looking it is found too). */
export interface WakeHints {
  /** In place of an earlier one; cancelled at once where there are too many, or none are wanted. */
  remember(id: string, hint: { cancel(): void }): void;
  forget(id: string): void;
  /** It rang. */
  rang(id: string): void;
  clear(): void;
}

const MOST = 50_000;

export function createWakeHints(areWanted: () => boolean): WakeHints {
  const hints = new Map<string, { cancel(): void }>();

  function forget(id: string): void {
    hints.get(id)?.cancel();
    hints.delete(id);
  }

  return {
    remember(id, hint) {
      forget(id);
      if (hints.size >= MOST || !areWanted()) hint.cancel();
      else hints.set(id, hint);
    },
    forget,
    rang: (id) => void hints.delete(id),
    clear() {
      for (const hint of hints.values()) hint.cancel();
      hints.clear();
    },
  };
}
