/** Stands between whoever calls out for a tenant and what is called: it bounds, and gives up on what is silent. */
export interface OutboundGate {
  /**
   * Runs `call` when the target has room. `busy`: too many wait already; `open`: the breaker is open;
   * `aborted`: the signal came while waiting. The call did not run in those cases.
   */
  run<T>(
    target: { readonly tenant: string; readonly name: string },
    signal: AbortSignal,
    call: () => Promise<{ readonly value: T; readonly silent: boolean }>,
  ): Promise<GateAnswer<T>>;
  /** Targets that are remembered, for tests. */
  readonly size: number;
  /** Breakers that are open. */
  readonly open: number;
}

export type GateAnswer<T> =
  | { readonly kind: 'ran'; readonly value: T }
  | { readonly kind: 'busy' | 'open' | 'aborted' };
