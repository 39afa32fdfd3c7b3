import { FUNCTIONS, functionNames, functionSpec } from './functions.ts';

/** Asked for: so long the proxy keeps whoever wants a connection while all are taken. */
const WANTED_SECONDS = 30;
/** For a function to say that it did not get one, and to tell what it measured. */
const TO_ANSWER_SECONDS = 3;

/** Functions that wait for a connection as long as the proxy lets them. */
export const waitingFunctions = functionNames.filter((name) => {
  const { can, databaseWaitSeconds } = functionSpec(name);
  return databaseWaitSeconds === undefined && can.some((each) => each.startsWith('postgres:'));
});

/**
 * How long the proxy lets a program wait for a connection, in seconds. A function that Lambda ends while it waits has
 * told nobody why, and the next call pays for a cold start: so the wait fits into the time of every
 * function that waits as long. The gateway gives those of the API less than what is wanted.
 */
export const PROXY_BORROW_SECONDS = Math.min(
  WANTED_SECONDS,
  ...waitingFunctions.map((name) => FUNCTIONS[name].timeoutSeconds - TO_ANSWER_SECONDS),
);
