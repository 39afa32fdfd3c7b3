import { Argument, InvalidArgumentError, Option } from 'commander';

// Options and arguments that several commands have, and what their words may be.

export function option(flags: string, description: string): Option {
  return new Option(flags, description);
}

export function runtime(): Option {
  return option('--runtime <runtime>', 'where it runs, whatever the definition says').choices([
    'auto',
    'engine',
    'step_functions',
  ]);
}

/** What every command that starts an execution takes. */
export function starting(): Option[] {
  return [
    option('--input <json>', 'a file, - for stdin, or JSON (default: {})'),
    runtime(),
    option('--label <name:value>', 'a label of the execution; may be repeated').argParser(collect),
    option('--priority <n>', 'where starts wait, which goes first: 0 to 9').argParser(
      integer(0, 9),
    ),
    option('--idempotency-key <key>', 'the same key starts it once, however often it is sent'),
    option('--detach', 'print the execution id and leave'),
  ];
}

export function execution(): Argument {
  return uuid('<execution>', 'an execution, as `cloudflow executions` lists them');
}

export function uuid(name: string, description: string): Argument {
  return new Argument(name, description).argParser((text: string) => {
    if (/^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text)) return text.toLowerCase();
    throw new InvalidArgumentError('an id looks like 01a20343-3cf1-70bb-8d66-0734ff6f3d80');
  });
}

export function collect(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, value];
}

export function integer(low: number, high: number): (text: string) => number {
  return (text) => {
    const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
    if (value >= low && value <= high) return value;
    throw new InvalidArgumentError(`${low} to ${high}`);
  };
}
