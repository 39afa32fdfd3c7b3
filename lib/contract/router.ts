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
  /** `why`: for people, what of the path cannot be read. */
  | { readonly kind: 'malformed'; readonly why: string }
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
    if (typeof segments === 'string') return { kind: 'malformed', why: segments };
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

/** The segments of a path, or what is wrong with it. */
function decodePath(path: string): readonly string[] | string {
  if (!path.startsWith('/')) return "the path does not begin with '/'";
  const segments = path.slice(1).split('/');
  if (!path.includes('%')) return segments;
  const decoded: string[] = [];
  for (const segment of segments) {
    try {
      decoded.push(decodeURIComponent(segment));
    } catch {
      // URIError: the caller is told what it is about
      return `the path holds '${segment.slice(0, 64)}', whose escapes are not UTF-8; write each byte as % and two hexadecimal digits`;
    }
  }
  const hidden = decoded.findIndex((segment) => HIDDEN.test(segment));
  if (hidden === -1) return decoded;
  return `the path holds '${segments[hidden]?.slice(0, 64)}', which hides a slash or a control character (%2F, %00 to %1F, %7F); no id has one`;
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused
const HIDDEN = /[/\u0000-\u001f\u007f]/;
