import { type StepError, stepErrorCode } from '#core/errors.ts';
import type { SkipReason, StepClass } from '#core/execution/events.ts';
import { failures } from '#core/execution/failures.ts';
import { OWN_CAUSE_MARK } from './payload.ts';
import type { AslValue } from './types.ts';

/**
 * Step records inside a machine (`StepRecord` in payload.ts). A record is always an object: AWS
 * flattens arrays that it meets on a path, never objects.
 */
export interface RecordSource {
  /** JSONata for the class. */
  readonly k: string;
  /** JSONata for the output. */
  readonly output: string;
  /** The whole record. */
  readonly value: AslValue;
  /** The whole record with the output left out. */
  readonly bare: AslValue;
}

export function expression(source: string): string {
  return `{% ${source} %}`;
}

/** A JSONata string literal. */
export function quote(text: string): string {
  // A `%}` would end the expression early for whoever cuts at the first one.
  return JSON.stringify(text).replaceAll('%}', '\\u0025}');
}

export function variableSource(name: string): RecordSource {
  return pathSource(`$${name}`);
}

export function pathSource(path: string): RecordSource {
  return {
    k: `${path}.k`,
    output: `${path}.v.output`,
    value: expression(path),
    bare: expression(`$merge([${path}, {'v': $merge([${path}.v, {'output': null}])}])`),
  };
}

/** A success that the runner answered; `result` is where its answer stands. */
export function successSource(result: string, live: boolean): RecordSource {
  const output = `${result}.output`;
  const attempts = expression(`${result}.attempts`);
  const record = (value: AslValue): AslValue => ({
    k: 'S',
    v: { status: 'SUCCESS', output: value, error: null, attempts },
  });
  const bare = record(null);
  return {
    k: `'S'`,
    output: live ? output : 'null',
    value: live ? record(expression(output)) : bare,
    bare,
  };
}

/** A record without output, known when the machine is written but for what `k` and `why` compute. */
export function plainSource(
  k: StepClass | { readonly expression: string },
  record: {
    readonly status: 'SUCCESS' | 'FAILED' | 'SKIPPED';
    readonly why?: SkipReason | { readonly expression: string };
    readonly error?: AslValue;
    readonly attempts: number;
  },
): RecordSource {
  const value: AslValue = {
    k: typeof k === 'string' ? k : expression(k.expression),
    ...(record.why === undefined
      ? {}
      : { why: typeof record.why === 'string' ? record.why : expression(record.why.expression) }),
    v: {
      status: record.status,
      output: null,
      error: record.error ?? null,
      attempts: record.attempts,
    },
  };
  return {
    k: typeof k === 'string' ? `'${k}'` : `(${k.expression})`,
    output: 'null',
    value,
    bare: value,
  };
}

/**
 * JSONata for what a caught error becomes (docs/language.md, errors of steps). An error of the runner
 * says everything itself. Of the platform's, timeouts are the step's, with the sentence `late`; all
 * others are its own trouble, and their names are for the log, not for the language (`platform`,
 * beside what expressions see). `States.DataLimitExceeded` has a Catcher of its own, since
 * `States.ALL` does not include it.
 */
function caught(late: string, attempts: string, then: string): string {
  return (
    `($e := $states.errorOutput; ` +
    `$f := $contains($e.Cause, ${quoteSingle(OWN_CAUSE_MARK)}) ` +
    `? $merge([{'code': $e.Error}, $parse($parse($e.Cause).errorMessage)]) ` +
    `: $merge([$e.Error in ['States.Timeout', 'States.HeartbeatTimeout'] ` +
    `? ${error({ code: stepErrorCode('Timeout'), message: late })} ` +
    `: $merge([$e.Error = 'Lambda.TooManyRequestsException' ` +
    `? ${error(failures.busy())} : ${error(failures.internal())}, ` +
    `{'platform': $e.Error}]), ` +
    `{'attempts': ${attempts}}]); ${then})`
  );
}

function error({ code, message }: StepError): string {
  return `{'code': ${quoteSingle(code)}, 'message': ${quoteSingle(message)}}`;
}

/** The record of a step whose Task failed; the attempts of one that the platform failed are `attempts`. */
export function caughtRecord(k: StepClass, attempts: string, late: string): AslValue {
  return expression(
    caught(
      late,
      attempts,
      `{'k': '${k}', 'v': {'status': 'FAILED', 'output': null, ` +
        `'error': {'code': $f.code, 'message': $f.message}, 'attempts': $f.attempts}, ` +
        `'platform': $f.platform}`,
    ),
  );
}

/** JSONata for `{code, message}` of a caught error. */
export function caughtError(late: string): string {
  return caught(late, '1', `{'code': $f.code, 'message': $f.message}`);
}

function quoteSingle(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}

export function skippedSource(
  k: 'U' | 'K' | { readonly expression: string },
  why: SkipReason | { readonly expression: string },
): RecordSource {
  return plainSource(k, { status: 'SKIPPED', why, attempts: 0 });
}
