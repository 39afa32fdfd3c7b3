import { CloudFlowError } from '#core/errors.ts';
import type { Ids } from '#ports/ids.ts';
import type { AuditNotes, Auditor } from './auditor.ts';

/**
 * Runs what an operator asks of the platform past the API, told as a change that a call asks for: who of
 * the account it was is in the account's own trail.
 */
export async function operatorAct<Result>(
  deps: { readonly auditor: Auditor; readonly ids: Pick<Ids, 'random'> },
  operation: string,
  act: (audit: AuditNotes) => Promise<Result>,
): Promise<Result> {
  const requestId = deps.ids.random();
  const audit = deps.auditor.open({
    ...{ operation, audit: 'change', requestId, correlationId: requestId },
    client: { source: null, userAgent: null },
  });
  audit.know({ actor: 'operator' });
  let result: Result;
  try {
    result = await act(audit);
  } catch (error) {
    const code = error instanceof CloudFlowError ? error.code : 'INTERNAL';
    // Logged where it was told; what it was about is the error to know of.
    await audit.refused(code).catch(() => undefined);
    throw error;
  }
  await audit.done();
  return result;
}
