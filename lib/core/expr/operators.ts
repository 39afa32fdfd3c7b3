import { ExpressionFault } from '#core/expr/outcome.ts';
import { checkStringUnits, isFunctionValue } from '#core/expr/values.ts';

// JSONata's operators on values, as jsonata 2.2.2 computes them. The differential test in
// test/core/expr/simple.property.test.ts is what keeps the two alike.

/** An array that stands for "several results" and was made while evaluating a path. */
export interface Sequence extends Array<unknown> {
  sequence?: true;
}

function number(value: unknown, side: 'left' | 'right', operator: string): number {
  if (typeof value === 'number') return value;
  throw new ExpressionFault('error', `the ${side} side of ${operator} must be a number`);
}

/** Undefined when either side is missing; types are checked first, as jsonata does. */
export function arithmetic(operator: string, left: unknown, right: unknown): unknown {
  if (left !== undefined) number(left, 'left', operator);
  if (right !== undefined) number(right, 'right', operator);
  if (left === undefined || right === undefined) return undefined;
  return finite(compute(operator, left as number, right as number));
}

function compute(operator: string, left: number, right: number): number {
  switch (operator) {
    case '+':
      return left + right;
    case '-':
      return left - right;
    case '*':
      return left * right;
    case '/':
      return left / right;
    default:
      return left % right;
  }
}

export function finite(value: number): number {
  if (Number.isFinite(value)) return value;
  throw new ExpressionFault('non_finite', 'a calculation did not yield a finite number');
}

export function negate(value: unknown): unknown {
  if (value === undefined) return undefined;
  if (typeof value === 'number') return -value;
  throw new ExpressionFault('error', 'only a number can be negated');
}

export function compare(operator: string, left: unknown, right: unknown): boolean | undefined {
  if (!isComparable(left) || !isComparable(right)) {
    throw new ExpressionFault('error', `both sides of ${operator} must be numbers or strings`);
  }
  if (left === undefined || right === undefined) return undefined;
  if (typeof left !== typeof right) {
    throw new ExpressionFault('error', `both sides of ${operator} must be of the same type`);
  }
  switch (operator) {
    case '<':
      return left < right;
    case '<=':
      return left <= right;
    case '>':
      return left > right;
    default:
      return left >= right;
  }
}

function isComparable(value: unknown): value is string | number | undefined {
  const type = typeof value;
  return type === 'string' || type === 'number' || type === 'undefined';
}

/** `=`, and `!=` as its opposite: both are false when a side is missing. */
export function equality(operator: string, left: unknown, right: unknown): boolean {
  if (left === undefined || right === undefined) return false;
  return deepEqual(left, right) === (operator === '=');
}

function deepEqual(left: unknown, right: unknown): boolean {
  if (left === right) return true;
  if (typeof left !== 'object' || typeof right !== 'object') return false;
  if (left === null || right === null) return false;
  if (Array.isArray(left) && Array.isArray(right)) {
    return left.length === right.length && left.every((item, i) => deepEqual(item, right[i]));
  }
  // An array beside an object: jsonata compares own names, so `[]` equals `{"length": 0}`, but a
  // sequence never equals an object (it carries a method).
  if ((left as Sequence).sequence === true && Array.isArray(left)) return false;
  if ((right as Sequence).sequence === true && Array.isArray(right)) return false;
  const names = Object.getOwnPropertyNames(left);
  if (names.length !== Object.getOwnPropertyNames(right).length) return false;
  return names.every(
    (name) =>
      Object.hasOwn(right, name) &&
      deepEqual((left as Record<string, unknown>)[name], (right as Record<string, unknown>)[name]),
  );
}

export function includes(left: unknown, right: unknown): boolean {
  if (left === undefined || right === undefined) return false;
  return Array.isArray(right) ? right.includes(left) : right === left;
}

/** The truth of a value; undefined for nothing. */
export function truth(value: unknown): boolean | undefined {
  switch (typeof value) {
    case 'undefined':
      return undefined;
    case 'boolean':
      return value;
    case 'string':
      return value !== '';
    case 'number':
      return value !== 0;
    case 'object':
      if (value === null) return false;
      if (Array.isArray(value)) return value.some((item) => truth(item) === true);
      return !isFunctionValue(value) && Object.keys(value).length > 0;
    default:
      return false;
  }
}

export function concatenate(left: unknown, right: unknown): string {
  const text = toText(left) + toText(right);
  checkStringUnits(text.length);
  return text;
}

/** JSONata's `$string`, with nothing as the empty text. */
function toText(value: unknown): string {
  if (value === undefined) return '';
  if (typeof value === 'string') return value;
  if (isFunctionValue(value)) return '';
  return JSON.stringify(value, textMember);
}

/** JSONata writes fractions with 15 digits, so that 0.1 + 0.2 reads 0.3. */
function textMember(_key: string, value: unknown): unknown {
  if (typeof value === 'number') {
    return Number.isInteger(value) ? value : Number(value.toPrecision(15));
  }
  return isFunctionValue(value) ? '' : value;
}

export function typeName(value: unknown): string | undefined {
  if (value === undefined) return undefined;
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  return typeof value;
}
