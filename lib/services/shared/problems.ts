import { CloudFlowError } from '#core/errors.ts';

/** The one answer for what is not there and for what belongs to somebody else. */
export function notFound(what: string): CloudFlowError {
  return new CloudFlowError('NOT_FOUND', `there is no such ${what}`);
}
