import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { IdpReady, Instructions } from './idp-process.ts';

export interface TestIdp extends Omit<IdpReady, 'kind'> {
  readonly pid: number;
  /** What it says from now on. */
  tell(instructions: Instructions): Promise<void>;
  close(): Promise<void>;
}

/** What the identity provider makes a browser post, and where. */
export interface PostedForm {
  readonly action: string;
  readonly fields: Readonly<Record<'SAMLResponse' | 'RelayState', string>>;
}

const MODULE = fileURLToPath(new URL('./idp-process.ts', import.meta.url));

export async function startIdp(): Promise<TestIdp> {
  const child: ChildProcess = fork(MODULE, [], {
    execArgv: [],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const [ready] = (await once(child, 'message')) as [IdpReady];
  const { kind: _kind, ...known } = ready;
  return {
    ...known,
    pid: child.pid!,
    async tell(instructions) {
      const told = once(child, 'message');
      child.send(instructions);
      await told;
    },
    async close() {
      child.disconnect();
      await once(child, 'exit');
    },
  };
}

/** Goes where a browser was sent, and answers the form that is there. */
export async function visit(location: string): Promise<PostedForm> {
  const response = await fetch(location);
  const page = await response.text();
  if (response.status !== 200) throw new Error(`the identity provider said ${page}`);
  const value = (name: string) =>
    (new RegExp(`${name}="([^"]*)"`).exec(page)?.[1] ?? '')
      .replaceAll('&quot;', '"')
      .replaceAll('&lt;', '<')
      .replaceAll('&amp;', '&');
  return {
    action: value('action'),
    fields: {
      SAMLResponse: value('name="SAMLResponse" value'),
      RelayState: value('name="RelayState" value'),
    },
  };
}
