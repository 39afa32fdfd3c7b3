/**
 * What AWS checks of every expression when a machine is created. AWS runs JSONata 2.0.6 without a
 * context item, so a name or `$` that would read one is refused, and so are `?:` and `??`, which
 * came later.
 */
import jsonata from 'jsonata';

export interface ExpressionProblem {
  readonly code: 'INVALID_JSONATA_EXPRESSION' | 'UNSUPPORTED_JSONATA_EXPRESSION';
  readonly message: string;
}

/** Problems of one expression; `inCatcher` allows `$states.errorOutput`. */
export function checkExpression(source: string, inCatcher: boolean): ExpressionProblem[] {
  let ast: Node;
  try {
    // The library's own type of the tree leaves out half of its members; Node names those we read.
    ast = jsonata(source).ast() as unknown as Node;
  } catch (error) {
    const reason =
      typeof error === 'object' && error !== null && 'message' in error
        ? String(error.message)
        : String(error);
    return [{ code: 'INVALID_JSONATA_EXPRESSION', message: reason }];
  }
  const problems: ExpressionProblem[] = [];
  walk(ast, true, { source, inCatcher, problems });
  return problems;
}

interface Node {
  readonly type?: string;
  readonly value?: unknown;
  readonly position?: number;
  readonly steps?: readonly Node[];
  readonly stages?: readonly Node[];
  readonly predicate?: readonly Node[];
  readonly [member: string]: unknown;
}

interface Check {
  readonly source: string;
  readonly inCatcher: boolean;
  readonly problems: ExpressionProblem[];
}

/**
 * `top` says whether the context item here is the one of the whole expression, the one that does
 * not exist on AWS. Only the first step of a path keeps it; predicates, later steps, sort terms and
 * groupings have a context of their own. A lambda body keeps the context of its definition.
 */
function walk(node: Node, top: boolean, check: Check): void {
  switch (node.type) {
    case 'path':
      walkPath(node.steps ?? [], top, check);
      break;
    case 'name':
      if (top)
        refuse(check, `reference to '${String(node.value)}' at the top level is not supported`);
      break;
    case 'variable':
      if (node.value === '$') refuse(check, "reference to '$$' is not supported");
      else if (node.value === '' && top) {
        refuse(check, "reference to '$' at the top level is not supported");
      }
      break;
    case 'condition': {
      const token = check.source.slice(Math.max(0, (node.position ?? 0) - 2), node.position ?? 0);
      if (token === '?:' || token === '??') {
        check.problems.push({
          code: 'INVALID_JSONATA_EXPRESSION',
          message: `operator '${token}' does not exist in JSONata 2.0.6; use a ternary`,
        });
      }
      walkAll([node['condition'], node['then'], node['else']], top, check);
      break;
    }
    case 'transform':
      walkAll([node['pattern'], node['update'], node['delete']], false, check);
      break;
    case 'sort':
      for (const term of asNodes(node['terms'])) walkAll([term['expression']], false, check);
      break;
    case 'filter':
    case 'index':
      walkAll([node['expr']], false, check);
      break;
    default:
      walkAll(
        [node['lhs'], node['rhs'], node['expression'], node['body'], node['procedure']],
        top,
        check,
      );
      walkAll([node['expressions'], node['arguments']], top, check);
  }
  walkAll([node['stages'], node['predicate']], false, check);
  const group = node['group'];
  if (isNode(group)) walkAll([group['lhs']], false, check);
}

function walkPath(steps: readonly Node[], top: boolean, check: Check): void {
  const [first, second] = steps;
  if (
    !check.inCatcher &&
    first?.type === 'variable' &&
    first.value === 'states' &&
    second?.value === 'errorOutput'
  ) {
    refuse(check, "'$states.errorOutput' exists only in the Assign and Output of a Catcher");
  }
  steps.forEach((step, index) => {
    walk(step, top && index === 0, check);
  });
}

function walkAll(values: readonly unknown[], top: boolean, check: Check): void {
  for (const value of values) {
    if (Array.isArray(value)) walkAll(value, top, check);
    else if (isNode(value)) walk(value, top, check);
  }
}

function asNodes(value: unknown): readonly Node[] {
  return Array.isArray(value) ? value.filter(isNode) : [];
}

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function refuse(check: Check, message: string): void {
  check.problems.push({ code: 'UNSUPPORTED_JSONATA_EXPRESSION', message });
}
