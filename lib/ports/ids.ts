/** The only source of randomness for identifiers. */
export interface Ids {
  /** A UUID v7 whose time bits are the given business time in milliseconds. */
  next(at: number): string;
  /** A random UUID v4: `event_id` alone. */
  random(): string;
}
