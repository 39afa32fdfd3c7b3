import type { LogEvent, LogFields } from '#core/log-catalog.ts';

/**
 * Structured lines for operators: an event of the catalogue and its fields. Never payloads, never
 * secrets, nothing that tenants name: the catalogue says what there is to say.
 */
export interface Log {
  debug(event: LogEvent, fields?: LogFields): void;
  info(event: LogEvent, fields?: LogFields): void;
  warn(event: LogEvent, fields?: LogFields): void;
  error(event: LogEvent, fields?: LogFields): void;
  /** A log that adds these fields to each of its lines. */
  with(fields: LogFields): Log;
}

export type { LogEvent, LogFields };
