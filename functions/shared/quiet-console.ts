import type { Log } from '#ports/log.ts';

const METHODS = ['debug', 'log', 'info', 'warn', 'error', 'trace'] as const;

/**
 * Lets nothing past the log. Lambda tells what a function threw by `console.error`, with its message,
 * and what the step runner throws is a tenant's own text; libraries speak to the console as well. An
 * error goes to the log without data, and of anything else only that somebody spoke.
 */
export function quietConsole(log: Log, target: Console = globalThis.console): void {
  const say = (...spoken: unknown[]): void => {
    const error = spoken.find((each) => each instanceof Error);
    if (error === undefined) log.info('CONSOLE_USED');
    else log.error('INVOCATION_FAILED', { error });
  };
  Object.assign(target, Object.fromEntries(METHODS.map((method) => [method, say])));
}
