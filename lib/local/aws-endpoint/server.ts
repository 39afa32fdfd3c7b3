/**
 * AWS on this machine, as far as our adapters go: an emulation. It speaks AWS's JSON protocol over
 * HTTP, so that the real SDK clients run against it when `AWS_ENDPOINT_URL` names it. What it answers
 * is written from AWS's API references and has never been compared with an account; it checks no
 * signature and no permission, and refuses every operation that it does not know.
 */
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { isJsonObject, type Json, type JsonObject } from '#core/json.ts';

/** `region`: which the request was signed for. */
export type Operation = (input: JsonObject, region: string) => Promise<Json> | Json;
/** By operation name, such as `StartExecution`. */
export type Service = Readonly<Record<string, Operation>>;

/** What the service refuses, under AWS's own name for it. */
export class AwsError extends Error {
  constructor(name: string, message: string) {
    super(message);
    this.name = name;
  }
}

export interface AwsEndpoint {
  readonly url: string;
  /** What was asked so far, as `AWSStepFunctions.StartExecution`. */
  readonly asked: readonly string[];
  close(): Promise<void>;
}

const MAX_BODY_BYTES = 4 * 1_048_576;
const MAX_REMEMBERED = 10_000;

/** `services` by the part of `X-Amz-Target` before the dot. */
export async function startAwsEndpoint(
  services: Readonly<Record<string, Service>>,
): Promise<AwsEndpoint> {
  const asked: string[] = [];

  async function answer(request: IncomingMessage): Promise<{ status: number; body: Json }> {
    const target = String(request.headers['x-amz-target'] ?? '');
    const [service = '', name = ''] = target.split('.');
    const operation = services[service]?.[name];
    try {
      const input = JSON.parse((await readBody(request)) || '{}') as Json;
      if (asked.length < MAX_REMEMBERED) asked.push(target);
      if (operation === undefined || !isJsonObject(input)) {
        throw new AwsError('UnknownOperationException', `'${target}' is not emulated here`);
      }
      return { status: 200, body: await operation(input, regionOf(request)) };
    } catch (error) {
      const { name: type, message } = error as Error;
      return {
        status: error instanceof AwsError ? 400 : 500,
        body: { __type: error instanceof AwsError ? type : 'InternalFailure', message },
      };
    }
  }

  const server = createServer((request, response) => {
    void answer(request).then(({ status, body }) => {
      response.writeHead(status, { 'content-type': 'application/x-amz-json-1.0' });
      response.end(JSON.stringify(body));
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    asked,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** `Credential=KEY/date/region/service/aws4_request` of the signature, which nobody checks. */
function regionOf({ headers }: IncomingMessage): string {
  return /Credential=[^/,]+\/\d+\/([^/]+)\//.exec(headers.authorization ?? '')?.[1] ?? '';
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.byteLength;
    if (bytes > MAX_BODY_BYTES) throw new AwsError('RequestTooLarge', 'the body is too large');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** A text member that must be there. */
export function textOf(input: JsonObject, name: string): string {
  const value = input[name];
  if (typeof value !== 'string') throw new AwsError('ValidationException', `'${name}' is missing`);
  return value;
}

export function optionalText(input: JsonObject, name: string): string | null {
  const value = input[name];
  return typeof value === 'string' ? value : null;
}
