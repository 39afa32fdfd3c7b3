import { request as requestPlain } from 'node:http';
import { request as requestOverTls } from 'node:https';

/**
 * A word for why nobody answers `url` with 200 within `ms` real milliseconds; null: somebody does. Each asks on a
 * connection of its own, name and all: one that was kept would say nothing of those who come new.
 */
export function whyUnanswered(url: string, ms: number): Promise<string | null> {
  return new Promise((resolve) => {
    const { protocol } = new URL(url);
    const request = (protocol === 'http:' ? requestPlain : requestOverTls)(
      url,
      { agent: false, signal: AbortSignal.timeout(ms), headers: { connection: 'close' } },
      (answer) => {
        // Its body is nobody's business, and must not be waited for.
        answer.on('error', () => undefined).destroy();
        resolve(answer.statusCode === 200 ? null : `status_${answer.statusCode}`);
      },
    );
    request.on('error', (error: Error & { readonly code?: string }) => {
      resolve(error.name === 'AbortError' ? 'no_answer' : (error.code ?? error.name));
    });
    request.end();
  });
}
