import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createClient } from '#client/client.ts';
import { CliError } from '../cli-error.ts';
import type { Terminal } from '../output/terminal.ts';
import { ask } from '../prompt.ts';
import type { Place } from '../session.ts';
import { finishLogin } from './identity.ts';

export interface ElsewhereOptions {
  readonly sso: string;
  readonly tenant?: string;
  readonly code?: string;
  readonly mode: 'live' | 'test';
}

/** How long the platform waits for somebody to come back from the provider. */
const PATIENCE_MS = 600_000;
const PAGE =
  '<!doctype html><meta charset="utf-8"><title>CloudFlow</title><p>Go back to the terminal.';

/**
 * Signs in through an identity provider of the tenant, as RFC 8252 has it: a browser goes there, and hands
 * a code to this process alone, on a port of this machine that is open for that long.
 */
export async function loginElsewhere(
  terminal: Terminal,
  { baseUrl, stack }: Place,
  options: ElsewhereOptions,
): Promise<void> {
  const tenant =
    options.tenant ??
    stack?.admin?.tenant ??
    (await ask('tenant', { hidden: false, instead: '--tenant' }));
  const verifier = randomBytes(32).toString('base64url');
  const state = randomBytes(32).toString('base64url');
  const server = createServer();
  try {
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const query = new URLSearchParams({
      return_to: `http://127.0.0.1:${port}/callback`,
      code_challenge: createHash('sha256').update(verifier).digest('base64url'),
      state,
    });
    const path = `/api/v1/auth/sso/${encodeURIComponent(tenant)}/${encodeURIComponent(options.sso)}`;
    terminal.err(`open this in a browser on this machine:\n${baseUrl}${path}?${query}\n`);
    const code = await codeFrom(server, state);
    const answer = await createClient({ baseUrl }).exchangeSignIn({
      body: { code, code_verifier: verifier, mode: options.mode, device: 'cloudflow command line' },
    });
    await finishLogin(terminal, baseUrl, answer, { ...options, tenant });
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

/** The code that comes with our state. Whatever else comes is answered, and means nothing. */
function codeFrom(server: Server, state: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const patience = setTimeout(() => {
      reject(new CliError('failed', 'SIGN_IN_ENDED', 'nobody came back within ten minutes'));
    }, PATIENCE_MS);
    server.on('request', (request, response) => {
      const url = URL.parse(request.url ?? '', 'http://127.0.0.1');
      const code = url?.searchParams.get('code') ?? '';
      const isOurs = url?.pathname === '/callback' && url.searchParams.get('state') === state;
      const found = request.method === 'GET' && isOurs && code !== '';
      response.writeHead(found ? 200 : 404, {
        'content-type': 'text/html; charset=utf-8',
        'cache-control': 'no-store',
        'content-security-policy': "default-src 'none'",
        'referrer-policy': 'no-referrer',
        connection: 'close',
      });
      response.end(found ? PAGE : '');
      if (!found) return;
      clearTimeout(patience);
      response.on('close', () => resolve(code));
    });
  });
}
