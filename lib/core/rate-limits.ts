/**
 * How many requests callers may make, and over what time. A window is counted in seconds of a clock and
 * covers the second that runs and the sixty before it, so for every request
 *
 *  W1 no more than the limit are let through within any 60 seconds, to the microsecond;
 *  W2 none is refused unless the limit was used up within the last 61.
 *
 * Only what was let through counts: whoever goes on asking is let in as soon as there is room.
 */
export const RATE_WINDOW_SECONDS = 60;

/** Of one user or API key, where its key says nothing else. */
export const REQUESTS_PER_MINUTE = 1_000;
/** Of all callers of a tenant together, where the tenant says nothing else. */
export const TENANT_REQUESTS_PER_MINUTE = 60_000;
/** Of one token of a callback: five a second, which no heartbeat needs. */
export const CALLBACKS_PER_MINUTE = 300;
/** Of all tokens of callbacks, known or not, that come from one network (`networkOf`). */
export const SOURCE_CALLBACKS_PER_MINUTE = 6_000;
/** What a tenant or a key may say at most: half of what the platform takes in all. */
export const MOST_REQUESTS_PER_MINUTE = 300_000;
