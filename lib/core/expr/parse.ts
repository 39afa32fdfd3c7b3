import jsonata from 'jsonata';
import type { Problem } from '#core/errors.ts';
import type { AstNode } from '#core/expr/ast.ts';
import { readTree } from '#core/expr/fence.ts';
import type { Dialect } from '#core/expr/limits.ts';
import { DIALECT_LIMITS } from '#core/expr/limits.ts';
import type { StepField } from '#core/expr/names.ts';
import { STEP_FIELDS } from '#core/expr/names.ts';
import type { ScanProblem } from '#core/expr/scan.ts';
import { scanSource } from '#core/expr/scan.ts';
import { compileSimple } from '#core/expr/simple.ts';
import type { Traps } from '#core/expr/traits.ts';
import { findTraps, isTotal } from '#core/expr/traits.ts';
import type { Expression, VisibleName } from '#core/plan/program.ts';

/** An expression of the portable language that has passed every static check. Plain JSON. */
export interface ParsedExpression extends Expression, Traps {
  /** By step id, which fields are read; sorted. Whoever reads the whole record reads all four. */
  readonly stepFields: { readonly [stepId: string]: readonly StepField[] };
  readonly nodes: number;
}

export type ParseResult =
  | { readonly ok: true; readonly expression: ParsedExpression }
  | { readonly ok: false; readonly problems: readonly Problem[] };

/**
 * Parses an expression (without its `{%` and `%}`) and checks it against the portable language.
 * All problems are reported, in the order of the source; `pointer` is put on each.
 */
export function parseExpression(source: string, pointer = ''): ParseResult {
  const before = known.get(source);
  if (before !== undefined) return before;
  const result = parseAnew(source, pointer);
  if (result.ok && source.length <= KNOWN_CHARACTERS) {
    if (known.size >= KNOWN_SOURCES) known.clear();
    known.set(source, result);
  }
  return result;
}

/**
 * What was parsed before. An expression means the same wherever it stands, and definitions are checked
 * again and again with most of their expressions unchanged; parsing is most of the work.
 */
const known = new Map<string, ParseResult>();
const KNOWN_SOURCES = 6_000;
const KNOWN_CHARACTERS = 400;

function parseAnew(source: string, pointer: string): ParseResult {
  const parsed = parseSource(source, 'portable');
  if (!parsed.ok) return { ok: false, problems: [{ ...parsed.problem, pointer }] };
  const reading = readTree(parsed.ast);
  if (reading.problems.length > 0) {
    const inOrder = reading.problems.toSorted((a, b) => (a.position ?? 0) - (b.position ?? 0));
    return {
      ok: false,
      problems: inOrder.map(({ code, message, position, given, allowed }) => ({
        code,
        pointer,
        message: position === null ? message : `${message}, near character ${position}`,
        given: given.slice(0, 80),
        allowed,
      })),
    };
  }
  const ids = [...reading.stepFields.keys()].sort();
  const names = [...reading.names].filter((name) => name !== 'steps');
  return {
    ok: true,
    expression: {
      source,
      steps: ids,
      names: (names as VisibleName[]).sort(),
      simple: compileSimple(parsed.ast) !== null,
      total: isTotal(parsed.ast),
      depth: reading.depth,
      nodes: reading.nodes,
      stepFields: Object.fromEntries(
        ids.map((id) => [
          id,
          STEP_FIELDS.filter((field) => reading.stepFields.get(id)?.has(field) === true),
        ]),
      ),
      ...findTraps(parsed.ast),
    },
  };
}

export type SourceResult =
  | { readonly ok: true; readonly ast: AstNode; readonly compiled: jsonata.Expression }
  | { readonly ok: false; readonly problem: Omit<Problem, 'pointer'> };

/**
 * The part of checking that both dialects share: length, what jsonata's parser must not see, and
 * syntax. What it returns is safe to walk: the parser's own recursion has bounded it.
 */
export function parseSource(
  source: string,
  dialect: Dialect,
  options: jsonata.JsonataOptions = {},
): SourceResult {
  const limits = DIALECT_LIMITS[dialect];
  if (source.length > limits.sourceChars) {
    return refuse(
      'E_EXPR_FENCE',
      `has ${source.length} characters`,
      `at most ${limits.sourceChars}`,
    );
  }
  const scanned = scanSource(source, { regex: dialect === 'aws', nesting: limits.astDepth * 2 });
  if (scanned !== null) return refuseScanned(scanned);
  try {
    const compiled = jsonata(source, options);
    return { ok: true, ast: compiled.ast() as AstNode, compiled };
  } catch (error) {
    if (error instanceof RangeError) {
      return refuse('E_EXPR_FENCE', 'nests too deep', `at most ${limits.astDepth} levels`);
    }
    const { message, position } = error as { message?: unknown; position?: unknown };
    const what = typeof message === 'string' && message !== '' ? message : 'is not JSONata';
    const where = typeof position === 'number' ? `, near character ${position}` : '';
    return refuse('E_EXPR_PARSE', `${lowerFirst(what)}${where}`, 'an expression in JSONata');
  }
}

function refuse(code: string, message: string, allowed: string, given?: string): SourceResult {
  return { ok: false, problem: { code, message, allowed, ...(given !== undefined && { given }) } };
}

function refuseScanned({ kind, text, position }: ScanProblem): SourceResult {
  const where = `at character ${position + 1}`;
  switch (kind) {
    case 'default_operator':
      return refuse(
        'E_EXPR_FENCE',
        `the operator '${text}', ${where}, is not in JSONata 2.0.6`,
        "'$exists($x) ? $x : other'",
        text,
      );
    case 'regex':
      return refuse(
        'E_EXPR_FENCE',
        `a regular expression, ${where}`,
        '$contains, $split and $replace with plain text; to divide, put the left side in parentheses',
        text,
      );
    case 'parent':
      return refuse(
        'E_EXPR_FENCE',
        `the parent operator '%', ${where}`,
        "bind the outer item first: '$input.orders@$o.items.{...}'",
        text,
      );
    case 'nesting':
      return refuse('E_EXPR_FENCE', `brackets nest too deep, ${where}`, 'a transform step before');
    case 'path':
      return refuse('E_EXPR_FENCE', `a path has too many steps, ${where}`, 'at most 100 steps');
    case 'signature':
      return refuse(
        'E_EXPR_FENCE',
        `a signature that is not supported, ${where}`,
        "no signature, or one without '+'",
        text,
      );
  }
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}
