import { randomUUID } from 'node:crypto';
import { mkdir, open, readFile, rename } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { createClient } from '#client/client.ts';
import { CliError } from './cli-error.ts';
import { why } from './input.ts';

/**
 * Where this user is signed in, by platform: a file for its owner alone (mode 0600), replaced whole so
 * that two commands at once leave one of the two. Two that refresh at the same moment are answered the
 * same next token, so neither signs the other out.
 */
export interface SignIn {
  readonly tenant: string;
  readonly email: string;
  readonly mode: 'live' | 'test';
  readonly accessToken: string;
  /** Milliseconds since the epoch. */
  readonly accessEndsAt: number;
  readonly refreshToken: string;
  /** Of this machine; it outlives a sign-out. */
  readonly deviceToken: string | null;
}

interface Stored {
  readonly [baseUrl: string]: SignIn | { readonly deviceToken: string | null };
}

/** An access token is renewed this long before it ends. */
const RENEW_BEFORE_MS = 30_000;

export function credentialsFile(env: NodeJS.ProcessEnv = process.env): string {
  const base = env['XDG_CONFIG_HOME'] ?? join(homedir(), '.config');
  return join(base, 'cloudflow', 'credentials.json');
}

export async function readSignIn(baseUrl: string): Promise<SignIn | null> {
  const found = (await read())[baseUrl];
  return found !== undefined && 'refreshToken' in found ? found : null;
}

export async function readDeviceToken(baseUrl: string): Promise<string | null> {
  return (await read())[baseUrl]?.deviceToken ?? null;
}

export async function keepSignIn(baseUrl: string, signIn: SignIn): Promise<void> {
  await write({ ...(await read()), [baseUrl]: signIn });
}

/** Forgets the tokens, and keeps what tells the platform that it knows this machine. */
export async function forgetSignIn(baseUrl: string): Promise<void> {
  await write({
    ...(await read()),
    [baseUrl]: { deviceToken: await readDeviceToken(baseUrl) },
  });
}

/** The access token, renewed where it is about to end. */
export function accessTokenOf(baseUrl: string, signIn: SignIn): () => Promise<string> {
  let current = signIn;
  return async () => {
    if (current.accessEndsAt - Date.now() > RENEW_BEFORE_MS) return current.accessToken;
    const tokens = await createClient({ baseUrl }).refreshTokens({
      body: { refresh_token: current.refreshToken },
    });
    current = {
      ...current,
      accessToken: tokens.access_token,
      accessEndsAt: Date.now() + tokens.expires_in * 1_000,
      refreshToken: tokens.refresh_token,
    };
    await keepSignIn(baseUrl, current);
    return current.accessToken;
  };
}

async function read(): Promise<Stored> {
  const file = credentialsFile();
  try {
    // Written by this module alone.
    return JSON.parse(await readFile(file, 'utf8')) as Stored;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return {};
    const reason =
      error instanceof SyntaxError ? 'it is damaged; delete it and sign in' : why(error);
    throw new CliError('usage', 'FILE_UNREADABLE', `cannot read ${file}: ${reason}`);
  }
}

async function write(stored: Stored): Promise<void> {
  const file = credentialsFile();
  try {
    await replace(file, stored);
  } catch (error) {
    throw new CliError(
      'usage',
      'FILE_UNWRITABLE',
      `cannot write ${file}: ${why(error)}; XDG_CONFIG_HOME says where it goes`,
    );
  }
}

async function replace(file: string, stored: Stored): Promise<void> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  const next = `${file}.${randomUUID()}`;
  const handle = await open(next, 'wx', 0o600);
  try {
    await handle.writeFile(`${JSON.stringify(stored, null, 2)}\n`);
  } finally {
    await handle.close();
  }
  await rename(next, file);
}
