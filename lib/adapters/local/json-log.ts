import type { Log, LogFields } from '#ports/log.ts';

const LEVELS = ['debug', 'info', 'warn', 'error'] as const;
export type LogLevel = (typeof LEVELS)[number];

/** One JSON object per line. `write` is asynchronous-safe: it must not throw. */
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
      (message: string, fields: LogFields = {}): void => {
        if (LEVELS.indexOf(level) < least) return;
        options.write(
          `${stringify({ time: options.time(), level, message, ...base, ...fields })}\n`,
        );
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

/** A log line must never throw, whatever it is given. */
function stringify(line: LogFields): string {
  const seen = new WeakSet<object>();
  return JSON.stringify(line, (_key, value: unknown) => {
    if (value instanceof Error) return { name: value.name, message: value.message };
    if (typeof value === 'bigint') return String(value);
    if (typeof value === 'object' && value !== null) {
      if (seen.has(value)) return '[seen]';
      seen.add(value);
    }
    return value;
  });
}

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
