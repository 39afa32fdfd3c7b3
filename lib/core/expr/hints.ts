import type { AstNode } from '#core/expr/ast.ts';
import { operandsOf } from '#core/expr/ast.ts';

/** A name as it stands in a path: with backticks where it needs them. */
export function quoted(name: string): string {
  return /^[A-Za-z_][A-Za-z0-9_]*$/.test(name) ? name : `\`${name}\``;
}

/** `$steps.a-b.output` parses as `$steps.a` minus `b.output`: almost surely a hyphenated id. */
export function hyphenatedStep(node: AstNode): { given: string; meant: string } | null {
  const parts: string[] = [];
  let tail = '';
  let left: AstNode = node;
  while (left.type === 'binary' && left.value === '-') {
    const operands = operandsOf(left);
    if (operands === null) return null;
    const [lhs, rhs] = operands;
    const names = rhs.type === 'path' ? (rhs.steps ?? []) : [];
    if (names.length === 0 || names.some((step) => step.type !== 'name')) return null;
    const [first, ...rest] = names.map((step) => String(step.value));
    if (rest.length > 0 && parts.length > 0) return null;
    if (rest.length > 0) tail = `.${rest.map(quoted).join('.')}`;
    parts.unshift(String(first));
    left = lhs;
  }
  const [root, id, more] = left.type === 'path' ? (left.steps ?? []) : [];
  if (root?.type !== 'variable' || root.value !== 'steps') return null;
  if (id?.type !== 'name' || more !== undefined) return null;
  const name = [String(id.value), ...parts].join('-');
  return { given: `$steps.${name}${tail}`, meant: `$steps.\`${name}\`${tail}` };
}
