import { LOG_EVENTS, LOG_FIELDS, type LogFieldKind } from '#core/log-catalog.ts';
import type { Log, LogEvent, LogFields } from '#ports/log.ts';
import { plainError } from './plain-error.ts';

const LEVELS = ['debug', 'info', 'warn', 'error'] as const;
export type LogLevel = (typeof LEVELS)[number];

/** In place of a value that is not what its field holds. */
const REFUSED = '[refused]';

/**
 * One JSON object per line: time, level, event, message, and fields of the catalogue in its order.
 *
 *  L1 a field that the catalogue does not know is left out, a value that does not fit its field is
 *     refused: what the compiler would not have let through does not leave either;
 *  L2 of an error goes out what holds no data (plain-error.ts).
 *
 * `write` gets whole lines, ended, and must not throw.
 */
export function createJsonLog(options: {
  readonly write: (line: string) => void;
  readonly level: LogLevel;
  /** Time of the line; real time even where business time is virtual. */
  readonly time: () => string;
}): Log {
  const least = LEVELS.indexOf(options.level);
  function make(base: LogFields): Log {
    const at =
      (level: LogLevel) =>
      (event: LogEvent, fields: LogFields = {}): void => {
        if (LEVELS.indexOf(level) < least) return;
        const line = {
          time: options.time(),
          level,
          event,
          message: LOG_EVENTS[event],
          ...known({ ...base, ...fields }),
        };
        options.write(`${JSON.stringify(line)}\n`);
      };
    return {
      debug: at('debug'),
      info: at('info'),
      warn: at('warn'),
      error: at('error'),
      with: (fields) => make({ ...base, ...fields }),
    };
  }
  return make({});
}

const FIELDS = Object.entries(LOG_FIELDS) as [keyof typeof LOG_FIELDS, LogFieldKind][];

function known(fields: LogFields): Record<string, unknown> {
  const kept: Record<string, unknown> = {};
  for (const [name, kind] of FIELDS) {
    const value: unknown = fields[name];
    if (value !== undefined && value !== null) kept[name] = KINDS[kind](value);
  }
  return kept;
}

const matching =
  (pattern: RegExp) =>
  (value: unknown): string =>
    typeof value === 'string' && pattern.test(value) ? value : REFUSED;

const word = matching(/^[A-Za-z0-9][A-Za-z0-9_.:/ -]{0,63}$/);

const KINDS: { readonly [K in LogFieldKind]: (value: unknown) => unknown } = {
  id: matching(/^[0-9a-fA-F-]{1,64}$/),
  correlation: matching(/^[A-Za-z0-9._:-]{1,128}$/),
  word,
  words: (value) => (Array.isArray(value) ? value.slice(0, 100).map(word) : REFUSED),
  number: (value) => (typeof value === 'number' && Number.isFinite(value) ? value : REFUSED),
  error: plainError,
};

/** Says nothing: for tests that assert on something else. */
export function createSilentLog(): Log {
  const log: Log = {
    debug: () => undefined,
    info: () => undefined,
    warn: () => undefined,
    error: () => undefined,
    with: () => log,
  };
  return log;
}
