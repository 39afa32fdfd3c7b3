import type { AstNode, AstStage } from '#core/expr/ast.ts';
import { operandsOf, pairsOf } from '#core/expr/ast.ts';
import { DIALECT_LIMITS } from '#core/expr/limits.ts';
import { isReadableName } from '#core/expr/names.ts';
import {
  arithmetic,
  compare,
  concatenate,
  equality,
  includes,
  negate,
  truth,
  typeName,
} from '#core/expr/operators.ts';
import type { EvaluationResult } from '#core/expr/outcome.ts';
import { ExpressionFault, faulted } from '#core/expr/outcome.ts';
import type { PathStep } from '#core/expr/simple-path.ts';
import {
  asItems,
  atIndices,
  isSequence,
  push,
  single,
  walk,
  walkSequence,
} from '#core/expr/simple-path.ts';
import { checkJson, isFunctionValue, toJson } from '#core/expr/values.ts';
import type { Json } from '#core/json.ts';

// The small evaluator: paths, comparisons and a few operators, compiled once to closures and run
// synchronously in this process.
//
// P1 It answers exactly as jsonata 2.2.2 does, or it does not compile the expression.
// P2 It runs no loop that data does not bound and calls nothing that an author wrote.
//
// Outside it, and so in the evaluator process: filters, wildcards, lambdas, variables of the
// expression's own, and every function but five.

export type Bindings = { readonly [name: string]: Json | undefined };

type Compiled = (bindings: Bindings) => unknown;

/** A simple expression, ready to run. */
export interface SimpleProgram {
  run(bindings: Bindings): EvaluationResult;
}

/** Null when the expression is not simple. */
export function compileSimple(ast: AstNode): SimpleProgram | null {
  const compiled = compile(ast);
  if (compiled === null) return null;
  const constructs = hasObject(ast);
  return { run: (bindings) => run(compiled, constructs, bindings) };
}

const NOTHING: EvaluationResult = { ok: true };
const MAX_BYTES = DIALECT_LIMITS.portable.resultBytes;

function run(compiled: Compiled, constructs: boolean, bindings: Bindings): EvaluationResult {
  try {
    const value = compiled(bindings);
    if (value === undefined) return NOTHING;
    if (constructs || !checkJson(value as Json, MAX_BYTES)) {
      return { ok: true, value: toJson(value, MAX_BYTES) };
    }
    if (isSequence(value)) {
      return { ok: true, value: Array.from(value) as Json };
    }
    return { ok: true, value: Object.is(value, -0) ? 0 : (value as Json) };
  } catch (error) {
    if (error instanceof ExpressionFault) return faulted(error);
    if (error instanceof RangeError) {
      return { ok: false, reason: 'too_deep', message: 'the value is nested too deep' };
    }
    throw error;
  }
}

/** Whether a result may hold sequences inside: only an object constructor puts them there. */
function hasObject(node: AstNode): boolean {
  if (node.type === 'unary' && node.value === '{') return true;
  const children = [
    ...(operandsOf(node) ?? []),
    ...(node.expressions ?? []),
    ...(node.arguments ?? []),
    node.expression,
    node.condition,
    node.then,
    node.else,
  ];
  return children.some((child) => child !== undefined && hasObject(child));
}

function compile(node: AstNode): Compiled | null {
  if (node.group !== undefined || node.keepArray === true) return null;
  if (node.predicate !== undefined && node.type !== 'variable') return null;
  switch (node.type) {
    case 'string':
    case 'number':
    case 'value': {
      const value = node.value;
      return () => value;
    }
    case 'variable':
      return compileVariable(node);
    case 'path':
      return compilePath(node);
    case 'binary':
      return compileBinary(node);
    case 'unary':
      return compileUnary(node);
    case 'condition':
      return compileCondition(node);
    case 'block': {
      const [only] = node.expressions ?? [];
      return only !== undefined && node.expressions?.length === 1 ? compile(only) : null;
    }
    case 'function':
      return compileFunction(node);
    default:
      return null;
  }
}

// Paths

function compileVariable(node: AstNode): Compiled | null {
  if (typeof node.value !== 'string' || !isReadableName(node.value)) return null;
  if (node.focus !== undefined || node.index !== undefined) return null;
  const name = node.value;
  if (node.predicate === undefined) return (bindings) => bindings[name];
  const indices = literalIndices(node.predicate);
  if (indices === null) return null;
  return (bindings) => single(atIndices(bindings[name], indices));
}

function compilePath(node: AstNode): Compiled | null {
  const [first, ...rest] = node.steps ?? [];
  if (node.keepSingletonArray === true || first === undefined || rest.length === 0) return null;
  if (first.type !== 'variable' || first.stages !== undefined) return null;
  const root = compile(first);
  if (root === null) return null;
  const steps: PathStep[] = [];
  for (const step of rest) {
    if (step.type !== 'name' || typeof step.value !== 'string') return null;
    if (step.focus !== undefined || step.index !== undefined || step.keepArray === true)
      return null;
    if (step.group !== undefined || step.predicate !== undefined) return null;
    const indices = literalIndices(step.stages ?? []);
    if (indices === null) return null;
    steps.push({ key: step.value, indices });
  }
  if (steps.some((step) => step.indices.length > 0)) {
    return (bindings) => {
      const value = root(bindings);
      return value === undefined ? undefined : walkSequence(asItems(value), steps, 0);
    };
  }
  return (bindings) => walk(root(bindings), steps);
}

function literalIndices(stages: readonly AstStage[]): readonly number[] | null {
  const indices: number[] = [];
  for (const stage of stages) {
    const predicate = stage.expr;
    if (stage.type !== 'filter' || predicate?.type !== 'number') return null;
    if (typeof predicate.value !== 'number') return null;
    indices.push(Math.floor(predicate.value));
  }
  return indices;
}

// Operators

function compileBinary(node: AstNode): Compiled | null {
  const operands = operandsOf(node);
  if (operands === null || typeof node.value !== 'string') return null;
  const [lhs, rhs] = operands;
  const left = compile(lhs);
  const right = compile(rhs);
  if (left === null || right === null) return null;
  const operator = node.value;
  switch (operator) {
    case '=':
    case '!=':
      return (b) => equality(operator, left(b), right(b));
    case '<':
    case '<=':
    case '>':
    case '>=':
      return (b) => compare(operator, left(b), right(b));
    case 'and':
      return (b) => truth(left(b)) === true && truth(right(b)) === true;
    case 'or':
      return (b) => truth(left(b)) === true || truth(right(b)) === true;
    case '&':
      return (b) => concatenate(data(left(b)), data(right(b)));
    case '+':
    case '-':
    case '*':
    case '/':
    case '%':
      return (b) => arithmetic(operator, left(b), right(b));
    case 'in':
      // `in` compares objects by identity, which depends on how bindings were carried. With
      // scalars on one side identity is equality.
      return isScalar(lhs) || isScalarList(rhs) ? (b) => includes(left(b), right(b)) : null;
    default:
      return null;
  }
}

function isScalar(node: AstNode): boolean {
  return node.type === 'string' || node.type === 'number' || node.type === 'value';
}

function isScalarList(node: AstNode): boolean {
  if (isScalar(node)) return true;
  return node.type === 'unary' && node.value === '[' && (node.expressions ?? []).every(isScalar);
}

function compileUnary(node: AstNode): Compiled | null {
  switch (node.value) {
    case '-': {
      const operand = node.expression === undefined ? null : compile(node.expression);
      return operand === null ? null : (b) => negate(operand(b));
    }
    case '[':
      return compileArray(node.expressions ?? []);
    case '{':
      return compileObject(pairsOf(node));
    default:
      return null;
  }
}

function compileArray(nodes: readonly AstNode[]): Compiled | null {
  const items: { readonly item: Compiled; readonly nests: boolean }[] = [];
  for (const node of nodes) {
    const item = compile(node);
    if (item === null) return null;
    // jsonata asks whether the node's value is '[': true for a constructor, and for that string
    items.push({ item, nests: node.value === '[' });
  }
  return (bindings) => {
    const result: unknown[] = [];
    for (const { item, nests } of items) {
      const value = item(bindings);
      if (value === undefined) continue;
      if (nests || !Array.isArray(value)) push(result, value);
      else for (const inner of value) push(result, inner);
    }
    return result;
  };
}

function compileObject(pairs: readonly [AstNode, AstNode][]): Compiled | null {
  const members: (readonly [string, Compiled])[] = [];
  for (const [key, node] of pairs) {
    // Computed keys, and the names that jsonata or JavaScript keep for themselves, go to jsonata.
    if (key.type !== 'string' || key.predicate !== undefined || key.group !== undefined)
      return null;
    const name = key.value as string;
    if (name === '__proto__' || name.startsWith('_jsonata_')) return null;
    if (members.some(([other]) => other === name)) return null;
    const value = compile(node);
    if (value === null) return null;
    members.push([name, value]);
  }
  return (bindings) => {
    const result: Record<string, unknown> = {};
    for (const [name, value] of members) {
      const computed = value(bindings);
      if (computed !== undefined) result[name] = computed;
    }
    return result;
  };
}

function compileCondition(node: AstNode): Compiled | null {
  const condition = node.condition === undefined ? null : compile(node.condition);
  const yes = node.then === undefined ? null : compile(node.then);
  if (condition === null || yes === null) return null;
  if (node.else === undefined) return (b) => (truth(condition(b)) === true ? yes(b) : undefined);
  const no = compile(node.else);
  if (no === null) return null;
  return (b) => (truth(condition(b)) === true ? yes(b) : no(b));
}

const SIMPLE_FUNCTIONS: { readonly [name: string]: (value: unknown) => unknown } = {
  exists: (value) => value !== undefined,
  not: (value) => (value === undefined ? undefined : truth(value) !== true),
  boolean: truth,
  count: (value) => (value === undefined ? 0 : Array.isArray(value) ? value.length : 1),
  type: typeName,
};

/** Calls of jsonata fail on data that pretends to be a function; `&` is such a call (jsonata.ts). */
function data(value: unknown): unknown {
  if (isFunctionValue(value)) {
    throw new ExpressionFault('error', 'a value pretends to be a function of JSONata');
  }
  return value;
}

function compileFunction(node: AstNode): Compiled | null {
  const procedure = node.procedure;
  if (procedure?.type !== 'variable' || typeof procedure.value !== 'string') return null;
  if (procedure.predicate !== undefined || !Object.hasOwn(SIMPLE_FUNCTIONS, procedure.value)) {
    return null;
  }
  const implementation = SIMPLE_FUNCTIONS[procedure.value];
  const [only] = node.arguments ?? [];
  if (implementation === undefined || only === undefined || node.arguments?.length !== 1)
    return null;
  const argument = compile(only);
  if (argument === null) return null;
  return (bindings) => {
    return implementation(data(argument(bindings)));
  };
}
