import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Account } from './honest-process.ts';
import type { Script } from './hostile-process.ts';

/** A provider in a process of its own; `host` is what the operator would open for it. */
export interface ProviderProcess {
  readonly issuer: string;
  readonly host: string;
  close(): Promise<void>;
}

async function start(module: string, args: readonly string[]): Promise<ProviderProcess> {
  const path = fileURLToPath(new URL(module, import.meta.url));
  const child = fork(path, args, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
  const [{ issuer }] = (await Promise.race([
    once(child, 'message'),
    once(child, 'exit').then(([code]) => Promise.reject(new Error(`${module} ended with ${code}`))),
  ])) as [{ issuer: string }];
  return {
    issuer,
    host: new URL(issuer).host,
    async close() {
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
    },
  };
}

export interface HonestProvider extends ProviderProcess {
  /** Registers us; answers what a tenant is given. */
  register(redirectUri: string): Promise<{ readonly id: string; readonly secret: string }>;
}

export async function startHonestProvider(
  accounts: Readonly<Record<string, Account>>,
): Promise<HonestProvider> {
  const provider = await start('./honest-process.ts', [JSON.stringify(accounts)]);
  return {
    ...provider,
    async register(redirectUri) {
      const response = await fetch(`${provider.issuer}/reg`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({
          redirect_uris: [redirectUri],
          response_types: ['code'],
          grant_types: ['authorization_code'],
          token_endpoint_auth_method: 'client_secret_basic',
        }),
      });
      const client = (await response.json()) as { client_id: string; client_secret: string };
      if (response.status !== 201) throw new Error(`not registered: ${JSON.stringify(client)}`);
      return { id: client.client_id, secret: client.client_secret };
    },
  };
}

export interface HostileProvider extends ProviderProcess {
  /** The issuer that says what the script says. */
  play(name: string, script: Script): Promise<string>;
  /** How often an endpoint of a script was asked. */
  hits(name: string, where: string): Promise<number>;
}

export async function startHostileProvider(): Promise<HostileProvider> {
  const provider = await start('./hostile-process.ts', []);
  return {
    ...provider,
    async play(name, script) {
      const body = JSON.stringify(script);
      await fetch(`${provider.issuer}/script/${name}`, { method: 'POST', body });
      return `${provider.issuer}/a/${name}`;
    },
    async hits(name, where) {
      return Number(await (await fetch(`${provider.issuer}/hits/${name}-${where}`)).text());
    },
  };
}
