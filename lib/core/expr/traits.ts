import type { AstNode } from '#core/expr/ast.ts';
import { operandsOf, pairsOf } from '#core/expr/ast.ts';
import { VISIBLE_NAMES } from '#core/expr/names.ts';

// What can be told about an expression from its tree alone: whether it can fail, and two traps of
// JSONata that deserve a warning.

const TOTAL_OPERATORS: ReadonlySet<unknown> = new Set(['=', '!=', 'and', 'or', 'in']);
const TOTAL_FUNCTIONS: ReadonlySet<unknown> = new Set([
  'exists',
  'not',
  'boolean',
  'type',
  'count',
]);
/** Other variables may hold a function, which is no JSON. */
const ALWAYS_DATA: ReadonlySet<unknown> = new Set(Object.keys(VISIBLE_NAMES));
const ORDERINGS: ReadonlySet<unknown> = new Set(['<', '<=', '>', '>=']);

/** True when no value of what it reads can make the expression fail. */
export function isTotal(node: AstNode): boolean {
  if (node.predicate !== undefined || node.group !== undefined) return false;
  switch (node.type) {
    case 'number':
      return isExact(node.value);
    case 'string':
    case 'value':
      return true;
    case 'variable':
      return ALWAYS_DATA.has(node.value);
    case 'path': {
      const [first, ...rest] = node.steps ?? [];
      return (
        first?.type === 'variable' &&
        isTotal(first) &&
        [first, ...rest].every((step) => step.stages === undefined && !isTuple(step)) &&
        rest.every((step) => step.type === 'name' && step.predicate === undefined)
      );
    }
    case 'binary': {
      const [left, right] = operandsOf(node) ?? [];
      if (left === undefined || right === undefined || !isTotal(left) || !isTotal(right)) {
        return false;
      }
      if (ORDERINGS.has(node.value)) {
        const type = typeOf(left);
        return type !== null && type === typeOf(right);
      }
      return TOTAL_OPERATORS.has(node.value);
    }
    case 'unary':
      return node.value === '[' && (node.expressions ?? []).every(isTotal);
    case 'condition':
      return [node.condition, node.then, node.else].every(
        (part) => part === undefined || isTotal(part),
      );
    case 'block': {
      const [only] = node.expressions ?? [];
      return only !== undefined && node.expressions?.length === 1 && isTotal(only);
    }
    case 'function': {
      const [only] = node.arguments ?? [];
      return (
        node.procedure?.type === 'variable' &&
        node.procedure.predicate === undefined &&
        TOTAL_FUNCTIONS.has(node.procedure.value) &&
        only !== undefined &&
        node.arguments?.length === 1 &&
        isTotal(only)
      );
    }
    default:
      return false;
  }
}

/** Integers that every runtime reads alike. */
function isExact(value: unknown): boolean {
  return typeof value === 'number' && Math.abs(value) <= Number.MAX_SAFE_INTEGER;
}

/** The type of a total expression where all values of what it reads give one; null: it depends. */
function typeOf(node: AstNode): 'number' | 'string' | null {
  switch (node.type) {
    case 'number':
    case 'string':
      return node.type;
    case 'variable':
      return node.value === 'index' ? 'number' : null;
    case 'function':
      return node.procedure?.value === 'count' ? 'number' : null;
    case 'block': {
      const [only] = node.expressions ?? [];
      return only === undefined ? null : typeOf(only);
    }
    case 'path':
      return ALWAYS_NUMBERS.test(pathText(node) ?? '') ? 'number' : null;
    default:
      return null;
  }
}

const ALWAYS_NUMBERS = /^(?:\$loop\."index"|\$steps\."[^"]*"\."attempts")$/;

function isTuple(step: AstNode): boolean {
  return step.focus !== undefined || step.index !== undefined;
}

export interface Traps {
  /** A path beside `!=`: when it yields nothing, the answer is false, not true. */
  readonly mayBeUndefinedNotEqual: boolean;
  /** A path beside `<`, `<=`, `>`, `>=` with no `$exists` or `$type` of it before: may fail. */
  readonly unguardedComparison: boolean;
}

export function findTraps(ast: AstNode): Traps {
  const found = { mayBeUndefinedNotEqual: false, unguardedComparison: false };
  look(ast, new Set(), found);
  return found;
}

function look(
  node: AstNode,
  guarded: ReadonlySet<string>,
  found: { mayBeUndefinedNotEqual: boolean; unguardedComparison: boolean },
): void {
  const operands = operandsOf(node);
  if (node.type === 'binary' && operands !== null) {
    const paths = operands.map(pathText).filter((path) => path !== null);
    const missing = paths.some((path) => !guarded.has(path) && !isAlwaysThere(path));
    if (node.value === '!=' && missing) found.mayBeUndefinedNotEqual = true;
    if (ORDERINGS.has(node.value) && missing) found.unguardedComparison = true;
    const [left, right] = operands;
    look(left, guarded, found);
    look(right, node.value === 'and' ? union(guarded, guardsOf(left)) : guarded, found);
    return;
  }
  if (node.type === 'condition' && node.condition !== undefined && node.then !== undefined) {
    look(node.condition, guarded, found);
    look(node.then, union(guarded, guardsOf(node.condition)), found);
    if (node.else !== undefined) look(node.else, guarded, found);
    return;
  }
  for (const child of childrenOf(node)) look(child, guarded, found);
}

function union(a: ReadonlySet<string>, b: ReadonlySet<string>): ReadonlySet<string> {
  return b.size === 0 ? a : new Set([...a, ...b]);
}

/** Paths that are known to be there when the condition holds. */
function guardsOf(node: AstNode): ReadonlySet<string> {
  const operands = operandsOf(node);
  if (node.type === 'binary' && operands !== null) {
    if (node.value !== 'and' && node.value !== '=') return new Set();
    const [left, right] = operands.map(guardsOf);
    const direct = node.value === '=' ? operands.map(pathText).filter((p) => p !== null) : [];
    return new Set([...(left ?? []), ...(right ?? []), ...direct]);
  }
  if (node.type === 'block' && node.expressions?.length === 1) {
    return guardsOf(node.expressions[0] as AstNode);
  }
  const name = node.type === 'function' ? node.procedure?.value : undefined;
  const [only] = node.arguments ?? [];
  if ((name !== 'exists' && name !== 'type') || only === undefined) return new Set();
  const path = pathText(only);
  return path === null ? new Set() : new Set([path]);
}

/** `$input.a.b` for a plain path from a variable; null for anything else. */
function pathText(node: AstNode): string | null {
  if (node.type !== 'path') return null;
  const [first, ...rest] = node.steps ?? [];
  if (first?.type !== 'variable' || rest.some((step) => step.type !== 'name')) return null;
  return [`$${String(first.value)}`, ...rest.map((step) => JSON.stringify(step.value))].join('.');
}

function isAlwaysThere(path: string): boolean {
  return (
    path.startsWith('$execution.') ||
    path === '$loop."index"' ||
    /^\$steps\."[^"]*"\."(status|attempts)"$/.test(path)
  );
}

/** Every node directly below this one. */
export function childrenOf(node: AstNode): readonly AstNode[] {
  const children: AstNode[] = [];
  const add = (child: AstNode | undefined): void => {
    if (child !== undefined) children.push(child);
  };
  operandsOf(node)?.forEach(add);
  for (const pair of pairsOf(node)) pair.forEach(add);
  for (const pair of node.group?.lhs ?? []) pair.forEach(add);
  node.steps?.forEach(add);
  for (const stage of node.stages ?? []) add(stage.expr);
  for (const stage of node.predicate ?? []) add(stage.expr);
  node.expressions?.forEach(add);
  node.arguments?.forEach(add);
  for (const term of node.terms ?? []) add(term.expression);
  add(node.expression);
  add(node.procedure);
  add(node.body);
  add(node.condition);
  add(node.then);
  add(node.else);
  add(node.pattern);
  add(node.update);
  add(node.delete);
  return children;
}
