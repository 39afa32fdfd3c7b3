import type jsonata from 'jsonata';
import type { AstNode } from '#core/expr/ast.ts';
import type { Implementation } from '#core/expr/built-ins.ts';
import { announced, builtIns, originalOf } from '#core/expr/built-ins.ts';
import { readTree } from '#core/expr/fence.ts';
import type { ExpressionHost, Original, OriginalName } from '#core/expr/function-context.ts';
import { ORIGINALS } from '#core/expr/function-context.ts';
import { functionsFor } from '#core/expr/functions.ts';
import type { Dialect } from '#core/expr/limits.ts';
import { DIALECT_LIMITS, SEQUENCE_ITEMS, SORTED_SEQUENCE_ITEMS } from '#core/expr/limits.ts';
import { FUNCTIONS } from '#core/expr/names.ts';
import type { EvaluationResult } from '#core/expr/outcome.ts';
import { ExpressionFault, failed, faulted } from '#core/expr/outcome.ts';
import { parseSource } from '#core/expr/parse.ts';
import { linearRegexEngine } from '#core/expr/regex-engine.ts';
import type { Bindings } from '#core/expr/simple.ts';
import { CONCATENATE } from '#core/expr/text-functions.ts';
import { childrenOf } from '#core/expr/traits.ts';
import { checkItems, checkStringUnits, Meter, toJson } from '#core/expr/values.ts';

// The full evaluator: jsonata 2.2.2 with every limit that can be had inside one process.
//
// J1 A result is JSON within the dialect's limits, or a failure with a reason; nothing throws.
// J2 Every string and array that an evaluation makes is counted before or as soon as it exists.
// J3 Between two looks at the time lies one call of a built-in at most, or a loop of ours that ticks.
// J4 What this cannot stop (one built-in that runs long, a heap that fills between two counts) is
//    stopped by the process around it; see lib/evaluator.

/** An expression ready to be evaluated, one evaluation at a time. */
export interface FullExpression {
  /** Gives up after `budgetMs`, at the evaluation's next step, with the reason `wall_clock`. */
  evaluate(bindings: Bindings, budgetMs: number): Promise<EvaluationResult>;
}

export interface EvaluationOptions {
  readonly host: ExpressionHost;
  /**
   * Begins to count so many milliseconds, of real time or of processor time; the answer says whether
   * they are over. It is asked at every step of an evaluation, so it must cost little.
   */
  readonly deadline: (ms: number) => () => boolean;
}

export type FullResult =
  | { readonly ok: true; readonly expression: FullExpression }
  | { readonly ok: false; readonly result: EvaluationResult };

/** Parses and checks a source for a dialect. What fails here fails the same way every time. */
export function createJsonata(
  source: string,
  dialect: Dialect,
  options: EvaluationOptions,
): FullResult {
  const sorts = source.includes('^');
  const sequence = sorts ? SORTED_SEQUENCE_ITEMS : SEQUENCE_ITEMS;
  const running: Running = { meter: null };
  // No timeout of jsonata's own: it counts real time, of which a busy machine takes any amount.
  const parsed = parseSource(source, dialect, {
    // Counts evaluations that are open at once: an array of 2,000 members alone opens 4,000. It is
    // here for recursion through a function that is passed to itself.
    stack: 10_000,
    sequence,
    RegexEngine: linearRegexEngine(() => running.meter?.turn()),
  });
  if (!parsed.ok) {
    const { code, message, allowed } = parsed.problem;
    const reason = code === 'E_EXPR_PARSE' ? 'syntax' : 'fence';
    return { ok: false, result: failed(reason, `${message} (${allowed})`) };
  }
  const problem = dialect === 'portable' ? readTree(parsed.ast).problems[0] : tooLarge(parsed.ast);
  if (problem !== undefined) {
    return { ok: false, result: failed('fence', `${problem.message} (${problem.allowed})`) };
  }
  const work = { compiled: parsed.compiled, ast: parsed.ast, dialect, sequence, running };
  return { ok: true, expression: prepare(work, options) };
}

/** What an evaluation that is under way has used. */
interface Running {
  meter: Meter | null;
}

function tooLarge(ast: AstNode): { message: string; allowed: string } | undefined {
  const { astDepth, astNodes } = DIALECT_LIMITS.aws;
  let nodes = 0;
  const deep = (node: AstNode, depth: number): boolean => {
    nodes += 1;
    if (depth > astDepth || nodes > astNodes) return true;
    return childrenOf(node).some((child) => deep(child, depth + 1));
  };
  if (!deep(ast, 1)) return undefined;
  return {
    message: 'the expression is too large',
    allowed: `${astDepth} levels, ${astNodes} parts`,
  };
}

interface Work {
  readonly compiled: jsonata.Expression;
  readonly ast: AstNode;
  readonly dialect: Dialect;
  readonly sequence: number;
  readonly running: Running;
}

function prepare(
  { compiled, ast, dialect, sequence, running }: Work,
  options: EvaluationOptions,
): FullExpression {
  const limits = DIALECT_LIMITS[dialect];
  const meter = (): Meter => {
    if (running.meter === null) throw new TypeError('no evaluation is running');
    return running.meter;
  };
  let registered = false;
  const register = async (): Promise<void> => {
    const builtIn = await builtIns(FUNCTIONS);
    const turn = (): void => meter().turn();
    for (const [name, found] of builtIn) {
      compiled.assign(name, { ...found, implementation: announced(found.implementation, turn) });
    }
    const original = Object.fromEntries(
      ORIGINALS.map((name) => [name, originalOf(builtIn, name)]),
    ) as { [N in OriginalName]: Original };
    for (const own of functionsFor(dialect, { meter, host: options.host, original })) {
      const implementation = announced(own.implementation as Implementation, turn);
      compiled.registerFunction(own.name, implementation, own.signature);
    }
    // Step Functions answers T1006 for $eval, as for anything that is not a function.
    compiled.assign('eval', undefined);
    // jsonata calls this after every node; the symbol is its debugging interface.
    const afterNode = Symbol.for('jsonata.__evaluate_exit') as unknown as string;
    compiled.assign(afterNode, countNode(meter, dialect));
    boundConcatenations(ast);
    registered = true;
  };

  return {
    async evaluate(bindings, budgetMs) {
      if (running.meter !== null) {
        throw new TypeError('an evaluation of this expression is running');
      }
      running.meter = new Meter(sequence, options.deadline(budgetMs));
      try {
        if (!registered) await register();
        const value: unknown = await compiled.evaluate(undefined, bindings);
        if (value === undefined) return { ok: true };
        return { ok: true, value: toJson(value, limits.resultBytes) };
      } catch (error) {
        return explain(error);
      } finally {
        running.meter = null;
      }
    },
  };
}

const ALLOCATING: ReadonlySet<string> = new Set(['function', 'apply', 'unary', 'wildcard']);

/** J2 for what operators and jsonata's own functions make. */
function countNode(
  meter: () => Meter,
  dialect: Dialect,
): (node: AstNode, input: unknown, environment: unknown, result: unknown) => void {
  return (node, _input, _environment, result) => {
    meter().turn();
    if (typeof result === 'string') {
      if (ALLOCATING.has(node.type)) meter().chargeString(result.length);
      else checkStringUnits(result.length);
    } else if (typeof result === 'number') {
      if (dialect === 'portable' && !Number.isFinite(result)) {
        throw new ExpressionFault('non_finite', 'a calculation did not yield a finite number');
      }
    } else if (Array.isArray(result)) {
      const fresh = ALLOCATING.has(node.type) || (result as { sequence?: true }).sequence === true;
      if (fresh && node.type !== 'variable') meter().chargeItems(result.length);
      else checkItems(result.length);
    }
  };
}

/** `a & b` becomes a call, since jsonata's operator builds any string before anyone can count it. */
function boundConcatenations(node: AstNode): void {
  for (const child of childrenOf(node)) boundConcatenations(child);
  if (node.type !== 'binary' || node.value !== '&') return;
  const { lhs, rhs, position } = node;
  Object.assign(node, {
    type: 'function',
    value: '(',
    procedure: { type: 'variable', value: CONCATENATE, position },
    arguments: [lhs, rhs],
  });
  delete node.lhs;
  delete node.rhs;
}

/** Messages of jsonata quote the values at hand; ours never do, since they are stored and shown. */
function explain(error: unknown): EvaluationResult {
  if (error instanceof ExpressionFault) return faulted(error);
  if (error instanceof RangeError) {
    return error.message.includes('string length')
      ? failed('memory', 'a string grew too long')
      : failed('too_deep', 'a value or a call is nested too deep');
  }
  const { code, token, position, message } = (error ?? {}) as {
    code?: unknown;
    token?: unknown;
    position?: unknown;
    message?: unknown;
  };
  if (code === 'D1011') return failed('too_deep', 'too many calls were open at once');
  if (code === 'D2014' || code === 'D2015') return failed('sequence', 'a sequence grew too long');
  if (code === 'D1001' || code === 'D3001') {
    return failed('non_finite', 'a calculation did not yield a finite number');
  }
  const where = typeof position === 'number' ? ` near character ${position}` : '';
  const name = token === CONCATENATE ? '&' : token;
  const what = typeof name === 'string' && name !== '' ? ` at '${name.slice(0, 40)}'` : '';
  // $error and $assert carry the author's own words
  if ((code === 'D3137' || code === 'D3141') && typeof message === 'string') {
    return failed('error', message.slice(0, 1_000));
  }
  const said = typeof code === 'string' ? (EXPLANATIONS[code] ?? `failed with ${code}`) : 'failed';
  return failed('error', `${said}${what}${where}`);
}

const EXPLANATIONS: { readonly [code: string]: string } = {
  D1002: 'only a number can be negated',
  D1009: 'two members of an object have the same name',
  D1013: 'a member has a name that JSONata keeps for itself',
  D3030: 'a value cannot be turned into a number',
  D3061: 'a power is too large',
  D3070: '$sort without a function wants strings or numbers',
  D3110: '$toMillis wants an ISO 8601 time',
  D3138: '$single found more than one match',
  D3139: '$single found no match',
  T0410: 'an argument has the wrong type',
  T0411: 'an argument is missing',
  T0412: 'an argument must be an array of one type',
  T1003: 'a member name must be a string',
  T1006: 'something that is not a function was called',
  T2001: 'the left side must be a number',
  T2002: 'the right side must be a number',
  T2003: 'the left side of a range must be a whole number',
  T2004: 'the right side of a range must be a whole number',
  T2006: 'the right side must be a function',
  T2009: 'both sides must be of the same type',
  T2010: 'both sides must be numbers or strings',
};
