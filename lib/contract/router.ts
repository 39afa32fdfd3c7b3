import { idsIn, type Part, routeIn } from './part.ts';
import type { Method, Route } from './route.ts';
import type { OperationId } from './routes.ts';

export type Match =
  | {
      readonly kind: 'found';
      readonly operationId: OperationId;
      readonly params: Readonly<Record<string, string>>;
    }
  | { readonly kind: 'wrong_method'; readonly allow: readonly Method[] }
  | { readonly kind: 'malformed' }
  | { readonly kind: 'not_found' };

interface Node {
  readonly literals: Map<string, Node>;
  parameter: Node | null;
  /** Parameter names belong to the operation: the same place may be named differently elsewhere. */
  readonly operations: Map<Method, { readonly id: OperationId; readonly names: readonly string[] }>;
}

export type Router = (method: Method, path: string) => Match;

/**
 * Builds the matcher for a part of the contract. A literal segment wins over a parameter, per method:
 * `GET /workflows/validate` is a workflow called `validate`, `POST` is the check.
 */
export function createRouter(part: Part): Router {
  const root = emptyNode();
  for (const id of idsIn(part)) insert(root, id, routeIn(part, id));
  return (method, path) => {
    const segments = decodePath(path);
    if (segments === null) return { kind: 'malformed' };
    const allow = new Set<Method>();
    const found = walk(root, segments, 0, [], method, allow);
    if (found !== null) return found;
    return allow.size === 0 ? { kind: 'not_found' } : { kind: 'wrong_method', allow: [...allow] };
  };
}

function emptyNode(): Node {
  return { literals: new Map(), parameter: null, operations: new Map() };
}

function insert(root: Node, id: OperationId, route: Route): void {
  const names: string[] = [];
  let node = root;
  for (const segment of route.path.slice(1).split('/')) {
    if (segment.startsWith('{')) {
      names.push(segment.slice(1, -1));
      node.parameter ??= emptyNode();
      node = node.parameter;
    } else {
      const next = node.literals.get(segment) ?? emptyNode();
      node.literals.set(segment, next);
      node = next;
    }
  }
  if (node.operations.has(route.method)) {
    throw new TypeError(`two operations at ${route.method} ${route.path}`);
  }
  node.operations.set(route.method, { id, names });
}

function walk(
  node: Node,
  segments: readonly string[],
  depth: number,
  values: readonly string[],
  method: Method,
  allow: Set<Method>,
): Match | null {
  const segment = segments[depth];
  if (segment === undefined) {
    const operation = node.operations.get(method);
    if (operation === undefined) {
      for (const other of node.operations.keys()) allow.add(other);
      return null;
    }
    const params: Record<string, string> = Object.create(null);
    operation.names.forEach((name, i) => {
      params[name] = values[i] ?? '';
    });
    return { kind: 'found', operationId: operation.id, params };
  }
  const literal = node.literals.get(segment);
  if (literal !== undefined) {
    const found = walk(literal, segments, depth + 1, values, method, allow);
    if (found !== null) return found;
  }
  if (node.parameter === null || segment === '') return null;
  return walk(node.parameter, segments, depth + 1, [...values, segment], method, allow);
}

/** Null when an escape is broken, or hides a slash or a control character. */
function decodePath(path: string): readonly string[] | null {
  if (!path.startsWith('/')) return null;
  const segments = path.slice(1).split('/');
  if (!path.includes('%')) return segments;
  try {
    const decoded = segments.map(decodeURIComponent);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused
    return decoded.some((segment) => /[/\u0000-\u001f]/.test(segment)) ? null : decoded;
  } catch {
    return null; // URIError: the escape is not UTF-8, and the caller is told so
  }
}
