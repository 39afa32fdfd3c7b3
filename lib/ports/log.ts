/** Structured lines for operators. Never payloads, never secrets: names, ids, counts, codes. */
export interface Log {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** A log that adds these fields to each of its lines. */
  with(fields: LogFields): Log;
}

export interface LogFields {
  readonly [name: string]: unknown;
}
