/** The one table of DynamoDB: what a deployment creates and what the adapter reads and writes. */
export const RECORDS_TABLE = {
  /** `<tenant>#<kind>`. */
  partitionKey: 'owner',
  sortKey: 'id',
  /** Seconds since 1970; DynamoDB deletes what has passed within days, and reads do not wait for it. */
  timeToLive: 'ttl',
} as const;
