export const HELD_BECAUSE = [
  'paused',
  'workflow_concurrency',
  'workflow_starts',
  'tenant_concurrency',
  'tenant_starts',
  'counting',
  'turn',
] as const;
/** `counting`: what runs is being counted, for a limit is new; `turn`: others go first, or it goes now. */
export type HeldBecause = (typeof HELD_BECAUSE)[number];

/** An execution that waits to be let in. */
export interface HeldStart {
  readonly because: HeldBecause;
  /** Among those of its workflow that wait: 1 is next. */
  readonly place: number;
  /** How many of its workflow wait. */
  readonly waiting: number;
  /** Executions that may run at once, and do: where that is what holds it. */
  readonly limit: number | null;
  readonly running: number | null;
  /** When its rate lets the next begin. */
  readonly until: number | null;
}
