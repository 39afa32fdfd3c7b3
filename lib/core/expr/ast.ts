/**
 * What `jsonata(source).ast()` returns, as far as we read it. The package's own types leave most
 * members out; the names are those of jsonata 2.2.2.
 */
export interface AstNode {
  type: string;
  value?: unknown;
  position?: number;
  steps?: AstNode[];
  stages?: AstStage[];
  predicate?: AstStage[];
  group?: { lhs: [AstNode, AstNode][] };
  lhs?: AstNode | [AstNode, AstNode][];
  rhs?: AstNode;
  expression?: AstNode;
  expressions?: AstNode[];
  arguments?: AstNode[];
  procedure?: AstNode;
  body?: AstNode;
  thunk?: boolean;
  signature?: unknown;
  condition?: AstNode;
  then?: AstNode;
  else?: AstNode;
  pattern?: AstNode;
  update?: AstNode;
  delete?: AstNode;
  terms?: { descending: boolean; expression: AstNode }[];
  focus?: string;
  index?: string;
  keepArray?: boolean;
  keepSingletonArray?: boolean;
}

export interface AstStage {
  type: 'filter' | 'index';
  expr?: AstNode;
  value?: string;
}

/** The operands of a binary node (a unary `{` keeps its pairs under the same name). */
export function operandsOf(node: AstNode): readonly [AstNode, AstNode] | null {
  if (node.lhs === undefined || Array.isArray(node.lhs) || node.rhs === undefined) return null;
  return [node.lhs, node.rhs];
}

/** The pairs of an object constructor. */
export function pairsOf(node: AstNode): readonly [AstNode, AstNode][] {
  return Array.isArray(node.lhs) ? node.lhs : [];
}
