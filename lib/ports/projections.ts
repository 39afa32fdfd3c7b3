import type { PlatformEvent } from '#core/events/schemas.ts';

/**
 * What a group makes of events. Each event has its effect once, however often it comes: that it was seen
 * is written in the transaction of the effect.
 */
export interface Projection {
  /** All or none of them; answers how many were new. */
  apply(events: readonly PlatformEvent[]): Promise<number>;
}
