import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Client, createClient } from '#client/client.ts';
import { CliError } from '../cli-error.ts';
import { told } from '../output/pages.ts';
import type { Terminal } from '../output/terminal.ts';
import { printable } from '../output/text.ts';
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

/** Signs in through an identity provider of the tenant, and remembers it. */
export async function loginElsewhere(
  terminal: Terminal,
  { baseUrl, stack }: Place,
  options: ElsewhereOptions,
): Promise<void> {
  const tenant =
    options.tenant ??
    stack?.admin?.tenant ??
    (await ask('tenant', { hidden: false, instead: '--tenant' }));
  const proof = await askProvider(terminal, baseUrl, { tenant, provider: options.sso });
  const answer = await createClient({ baseUrl }).exchangeSignIn({
    body: { ...proof, mode: options.mode, device: 'cloudflow command line' },
  });
  await finishLogin(terminal, baseUrl, answer, { ...options, tenant });
}

/** `cloudflow identities link`: whoever is signed in here may from now on sign in through the provider, too. */
export async function linkIdentity(
  terminal: Terminal,
  { baseUrl }: Place,
  client: Client,
  provider: string,
): Promise<void> {
  const { tenant } = await client.whoAmI();
  const body = await askProvider(terminal, baseUrl, { tenant, provider });
  const linked = await client.linkIdentity({ body });
  told(terminal, linked, `linked with ${printable(provider)}: \`cloudflow login --sso\` takes it`);
}

/**
 * Who the provider says that somebody is, as RFC 8252 has it: a browser goes there, and hands a code to this
 * process alone, on a port of this machine that is open for that long.
 */
async function askProvider(
  terminal: Terminal,
  baseUrl: string,
  { tenant, provider }: { readonly tenant: string; readonly provider: string },
): Promise<{ readonly code: string; readonly code_verifier: string }> {
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
    const path = `/api/v1/auth/sso/${encodeURIComponent(tenant)}/${encodeURIComponent(provider)}`;
    terminal.err(`open this in a browser on this machine:\n${baseUrl}${path}?${query}\n`);
    return { code: await codeFrom(server, state), code_verifier: verifier };
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
