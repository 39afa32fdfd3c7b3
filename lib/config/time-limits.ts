/**
 * Who waits how long for whom, from the outside in: whoever waits has more patience than whom it waits for,
 * so that what failed inside is told from inside and nothing goes on for somebody who has left. Outermost is
 * the client (`client/client.ts`). In milliseconds of real time; a test holds the order.
 *
 * Between the gateway and the functions AWS allows 29 seconds unless a quota is raised, which costs
 * throttling for the whole region: so the source's 45 seconds there are 29, and every call that may take
 * longer answers 202 and goes on by itself.
 */
export const TIME_LIMITS = {
  /** Our own server, for a client that neither sends nor reads. */
  edge: 55_000,
  /** API Gateway, for a function. */
  gateway: 29_000,
  /** A function that a caller waits for. */
  function: 28_000,
  /** One statement of what serves callers; and a connection for it, which is had before. */
  statement: 10_000,
  connection: 10_000,
  /** A statement of what nobody waits for: engine, upkeep, audit. */
  longStatement: 30_000,
  /** An engine that was asked over Kafka; then whoever asked does it by itself. */
  reply: 5_000,
  /** The cache: longer than any answer of one that is well, and no delay that somebody would notice. */
  cache: 50,
} as const;
