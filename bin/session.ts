import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Client, createClient } from '#client/client.ts';
import { CliError } from './cli-error.ts';

/** What every command that talks to a platform takes. */
export interface SessionOptions {
  readonly url?: string;
  readonly apiKey?: string;
  readonly dataDir: string;
}

/**
 * A client for the platform the user means: options first, then `CLOUDFLOW_URL` and
 * `CLOUDFLOW_API_KEY`, then the stack that `cloudflow dev` left in the data directory.
 */
export function openSession(options: SessionOptions): Client {
  const stack = options.url === undefined ? readStack(options.dataDir) : null;
  const baseUrl = options.url ?? process.env['CLOUDFLOW_URL'] ?? stack?.base_url;
  const apiKey = options.apiKey ?? process.env['CLOUDFLOW_API_KEY'] ?? stack?.api_key;
  if (baseUrl === undefined) {
    throw new CliError(
      'usage',
      `no platform to talk to: start one with \`cloudflow dev\`, or give --url and --api-key (or CLOUDFLOW_URL and CLOUDFLOW_API_KEY); looked for ${join(options.dataDir, 'stack.json')}`,
    );
  }
  return createClient({ baseUrl, ...(apiKey === undefined ? {} : { apiKey }) });
}

interface Stack {
  readonly base_url: string;
  readonly api_key: string;
}

function readStack(dataDir: string): Stack | null {
  let text: string;
  try {
    text = readFileSync(join(dataDir, 'stack.json'), 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
  // The file is written by `cloudflow dev` alone, mode 0600.
  return JSON.parse(text) as Stack;
}
