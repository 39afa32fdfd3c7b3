/**
 * What is promised: the indicator is the share of requests to the API, in a month, that did not fail by
 * our fault (5xx). The objective is our own; below the agreed level customers are owed a credit.
 */
export const SERVICE_LEVEL = {
  /** 43 minutes of outage in a month. */
  objectivePercent: 99.9,
  agreedPercent: 99.5,
  /** Of what the month cost, the first that applies. */
  credits: [
    { below: 95, percent: 50 },
    { below: 99, percent: 25 },
    { below: 99.5, percent: 10 },
  ],
} as const;

/** The credit of a customer, in percent of the month's bill, whose requests succeeded to `percent`. */
export function creditOf(percent: number): number {
  return SERVICE_LEVEL.credits.find(({ below }) => percent < below)?.percent ?? 0;
}
