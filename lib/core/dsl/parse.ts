import type { Problem } from '#core/errors.ts';
import { readDraft } from './draft.ts';
import { Problems } from './problems.ts';
import type { WorkflowDefinition } from './schema.ts';

export type ParsedDefinition =
  | { readonly ok: true; readonly definition: WorkflowDefinition }
  | { readonly ok: false; readonly problems: readonly Problem[] };

/**
 * Whether a document has the shape of a definition. Total: any value gives an answer, with every
 * problem of shape in document order. What a shape cannot say (graph, names, expressions, sizes) is
 * for `checkDefinition` in core/plan, which includes this.
 */
export function parseDefinition(document: unknown): ParsedDefinition {
  const problems = new Problems();
  readDraft(document, problems);
  return problems.length > 0
    ? { ok: false, problems: problems.inOrderOf(document) }
    : { ok: true, definition: document as WorkflowDefinition };
}
