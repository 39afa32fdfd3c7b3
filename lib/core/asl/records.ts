import type { SkipReason, StepClass } from '#core/execution/events.ts';
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

const MESSAGE_CHARS = 1_024;

/** The message of a caught error; some have no Cause, and `&` takes that as an empty text. */
const MESSAGE = `$substring($states.errorOutput.Cause & '', 0, ${MESSAGE_CHARS})`;

/**
 * Platform errors by what they become (docs/language.md, errors of steps). `States.DataLimitExceeded` has a Catcher
 * of its own, since `States.ALL` does not include it. Everything else is `CloudFlow.Internal`.
 */
const PLATFORM_CODE =
  `$e.Error in ['States.Timeout', 'States.HeartbeatTimeout'] ? 'CloudFlow.Timeout' : ` +
  `$e.Error = 'States.QueryEvaluationError' ? 'CloudFlow.ExpressionError' : ` +
  `$e.Error = 'Lambda.TooManyRequestsException' ? 'CloudFlow.Transient' : 'CloudFlow.Internal'`;

/**
 * JSONata for the record of a step whose Task failed. An error of the runner carries JSON with
 * message and attempts; an error of the platform does not, and its attempts are `attempts`.
 */
export function caughtRecord(k: StepClass, attempts: string): AslValue {
  return expression(
    `($e := $states.errorOutput; $own := $contains($e.Cause, ${quoteSingle(OWN_CAUSE_MARK)}); ` +
      `$f := $own ? $parse($parse($e.Cause).errorMessage) : ` +
      `{'attempts': ${attempts}, 'message': ${MESSAGE}}; ` +
      `{'k': '${k}', 'v': {'status': 'FAILED', 'output': null, 'error': {'code': ` +
      `$own ? $e.Error : ${PLATFORM_CODE}, 'message': $f.message}, 'attempts': $f.attempts}})`,
  );
}

/** An error caught where only an evaluation can have failed. */
export function evaluationError(): AslValue {
  return { code: 'CloudFlow.ExpressionError', message: expression(MESSAGE) };
}

/** JSONata for `{code, message}` of a caught error, of ours or not. */
export function caughtError(): string {
  return (
    `($e := $states.errorOutput; $own := $contains($e.Cause, ${quoteSingle(OWN_CAUSE_MARK)}); ` +
    `{'code': $own ? $e.Error : ${PLATFORM_CODE}, 'message': ` +
    `$own ? $parse($parse($e.Cause).errorMessage).message : ${MESSAGE}})`
  );
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
