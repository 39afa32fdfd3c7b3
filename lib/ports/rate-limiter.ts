/**
 * Counts requests of callers, in real time, by the windows of core/rate-limits.ts. What it knows may be
 * lost at any moment, and nothing but how often somebody may call depends on it.
 */
export interface RateLimiter {
  /** Counts a request in both windows where both have room, and in neither where one has none. */
  take(request: RateRequest): Promise<RateAnswer>;
}

export interface RateRequest {
  readonly tenant: string;
  /** Who of the tenant: any text. */
  readonly caller: string;
  /** Requests a minute, at least 1. */
  readonly limits: ByWindow<number>;
}

/** Of the one who calls, and of all of the tenant together. */
export interface ByWindow<T> {
  readonly caller: T;
  readonly tenant: T;
}

export interface RateAnswer {
  readonly allowed: boolean;
  readonly windows: ByWindow<WindowState>;
}

export interface WindowState {
  /** Requests that have room after this one. */
  readonly remaining: number;
  /** Until the oldest of those counted is over and leaves its room, in whole seconds from 1 on. */
  readonly freeInSeconds: number;
}
