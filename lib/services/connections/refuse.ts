import { CloudFlowError, type Problem } from '#core/errors.ts';

/** @throws CONNECTION_INVALID with all of them, if there are any */
export function refuseProblems(problems: readonly Problem[]): void {
  if (problems.length === 0) return;
  throw new CloudFlowError('CONNECTION_INVALID', 'it cannot be used as it is', { problems });
}
