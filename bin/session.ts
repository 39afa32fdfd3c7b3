import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Client, createClient } from '#client/client.ts';
import { isJsonObject, type JsonObject } from '#core/json.ts';
import { CliError } from './cli-error.ts';
import { accessTokenOf, readSignIn } from './credentials.ts';
import { parseJson } from './input.ts';

/** What every command that talks to a platform takes. */
export interface SessionOptions {
  readonly url?: string;
  readonly apiKey?: string;
  readonly dataDir: string;
}

/** The platform that the user means, and what the local stack says of itself where it is that. */
export interface Place {
  readonly baseUrl: string;
  readonly stack: Stack | null;
}

/**
 * A client for the platform the user means: options first, then `CLOUDFLOW_URL` and
 * `CLOUDFLOW_API_KEY`, then whoever signed in there (`cloudflow login`), then the stack that
 * `cloudflow dev` left in the data directory. The key of the local stack goes to the local stack and
 * nowhere else.
 */
export async function openSession(options: SessionOptions): Promise<Client> {
  const { baseUrl, stack } = findPlace(options);
  const given = options.apiKey ?? process.env['CLOUDFLOW_API_KEY'];
  if (given !== undefined) return createClient({ baseUrl, credential: given });
  const signIn = await readSignIn(baseUrl);
  const credential = signIn === null ? stack?.api_key : accessTokenOf(baseUrl, signIn);
  return createClient({ baseUrl, ...(credential === undefined ? {} : { credential }) });
}

export function findPlace(options: SessionOptions): Place {
  const named = options.url ?? process.env['CLOUDFLOW_URL'];
  const stack = named === undefined ? readStack(options.dataDir) : null;
  const baseUrl = (named ?? stack?.base_url)?.replace(/\/+$/, '');
  if (baseUrl === undefined) {
    throw new CliError(
      'usage',
      'NO_PLATFORM',
      `no platform to talk to: ${join(options.dataDir, 'stack.json')} is not there. Start one with \`cloudflow dev\`, or name one with --url and --api-key (or CLOUDFLOW_URL and CLOUDFLOW_API_KEY)`,
    );
  }
  if (!/^https?:$/.test(URL.parse(baseUrl)?.protocol ?? '')) {
    throw new CliError(
      'usage',
      'USAGE',
      `the platform's URL is '${baseUrl}'; use one such as http://127.0.0.1:7411`,
    );
  }
  return { baseUrl, stack };
}

export interface Stack {
  readonly base_url: string;
  readonly api_key: string;
  readonly postgres_url: string;
  /** Of stacks since there is an event log. */
  readonly redis_url?: string | null;
  readonly kafka_brokers?: string | null;
  readonly admin?: { readonly tenant: string; readonly email: string; readonly password: string };
}

export function readStack(dataDir: string): Stack | null {
  const name = join(dataDir, 'stack.json');
  let text: string;
  try {
    text = readFileSync(name, 'utf8');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return null;
    throw new CliError('usage', 'FILE_UNREADABLE', `cannot read ${name}: ${message}`);
  }
  const parsed = parseJson({ name, text });
  if (parsed.ok && isJsonObject(parsed.value) && isStack(parsed.value)) return parsed.value;
  throw new CliError(
    'usage',
    'FILE_UNREADABLE',
    `${name} was not written by \`cloudflow dev\`: it has no base_url, api_key and postgres_url`,
  );
}

function isStack(value: JsonObject): value is JsonObject & Stack {
  return (
    typeof value['base_url'] === 'string' &&
    typeof value['api_key'] === 'string' &&
    typeof value['postgres_url'] === 'string'
  );
}
