import { checkWorkflow } from '#core/check-workflow.ts';
import type {
  CheckedDocument,
  DefinitionCheck,
  DefinitionChecks,
} from '#ports/definition-checks.ts';

/** The check itself, wherever it is done. */
export function checkDocument({
  document,
  preferred,
  children,
}: Omit<DefinitionCheck, 'tenant'>): CheckedDocument {
  const checked = checkWorkflow(document, {
    preferred,
    ...(children === null ? {} : { childrenOf: (id) => children.get(id) ?? null }),
  });
  if (!checked.ok) return checked;
  const { machine: _, definition: __, ...rest } = checked;
  return rest;
}

/** In the caller's own thread: right where a process serves one request at a time. */
export function createDefinitionChecks(): DefinitionChecks {
  return { check: async (request) => checkDocument(request) };
}
