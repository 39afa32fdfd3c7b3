/**
 * The parts of AWS that operations of the platform call, on this machine, in the protocols of the real
 * clients. An emulation: written from AWS's references, never compared with an account; it checks no
 * signature. What it does not know it refuses, and a test that meets a refusal fails.
 *
 *  E1 a change takes time, by the test's clock: what is being made is not there yet, what is being
 *     deleted still is.
 *  E2 a request may be disturbed: refused before it is done, or done with its answer lost.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Clock } from '#ports/clock.ts';
import { createDatabases, type Databases } from './databases.ts';
import { createJsonServices } from './json-services.ts';
import { createNames, type Names } from './names.ts';
import { createObjects, type Objects } from './objects.ts';

/** What a service answers; a refusal has AWS's own name for it. */
export interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface Asked {
  /** `rds.CreateDBInstance`. */
  readonly operation: string;
  readonly input: Readonly<Record<string, unknown>>;
}

/** `refused`: nothing was done. `lost`: it was done and nobody hears of it. */
export type Disturbance = 'throttled' | 'broken' | 'denied' | 'cut' | 'lost';

export interface Emulation {
  readonly url: string;
  readonly databases: Databases;
  readonly names: Names;
  readonly objects: Objects;
  readonly services: ReturnType<typeof createJsonServices>;
  /** In order, those that were disturbed as well. */
  readonly asked: readonly Asked[];
  /** What it did not know. */
  readonly unknown: readonly string[];
  /** Asked before each request; null lets it through. */
  disturb: (asked: Asked, index: number) => Disturbance | null;
  close(): Promise<void>;
}

export interface EmulationOptions {
  readonly clock: Clock;
  readonly region: string;
  /** Where the database of every cluster really is. */
  readonly databaseHost: string;
  /** What the check of integrity answers; rejecting is what a function does that throws. */
  readonly checkIntegrity: (event: object) => Promise<unknown>;
}

/** One service: understands a request or leaves it to the next. */
export interface Service {
  understand(request: Request): Asked | null;
  answer(asked: Asked): Promise<Answer> | Answer;
  /** In the form in which this service refuses. */
  refuse(status: number, code: string, message: string): Answer;
}

export interface Request {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

const REFUSALS: {
  readonly [D in Exclude<Disturbance, 'cut' | 'lost'>]: readonly [number, string];
} = {
  throttled: [400, 'ThrottlingException'],
  broken: [500, 'InternalFailure'],
  denied: [403, 'AccessDenied'],
};

export async function startEmulation(options: EmulationOptions): Promise<Emulation> {
  const databases = createDatabases(options);
  const names = createNames(options.clock);
  const objects = createObjects();
  const json = createJsonServices(options, databases);
  const services: readonly Service[] = [
    databases.service,
    names.service,
    ...json.all,
    objects.service,
  ];
  const asked: Asked[] = [];
  const unknown: string[] = [];

  const emulation: Omit<Emulation, 'url' | 'close'> & { disturb: Emulation['disturb'] } = {
    databases,
    names,
    objects,
    services: json,
    asked,
    unknown,
    disturb: () => null,
  };

  async function serve(message: IncomingMessage, response: ServerResponse): Promise<void> {
    const request = await read(message);
    for (const service of services) {
      const found = service.understand(request);
      if (found === null) continue;
      const disturbance = emulation.disturb(found, asked.length);
      asked.push(found);
      if (disturbance === 'cut') return void message.socket.destroy();
      const answer =
        disturbance === null || disturbance === 'lost'
          ? await service.answer(found)
          : service.refuse(...REFUSALS[disturbance], 'disturbed');
      if (disturbance === 'lost') return void message.socket.destroy();
      response.writeHead(answer.status, { 'content-type': answer.type, ...answer.headers });
      response.end(answer.body);
      return;
    }
    unknown.push(`${request.method} ${request.path} ${String(request.headers['x-amz-target'])}`);
    response.writeHead(501).end();
  }

  const server = createServer((message, response) => {
    serve(message, response).catch((error: unknown) => {
      unknown.push(`${message.method} ${message.url}: ${String(error)}`);
      response.writeHead(500).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return Object.assign(emulation, {
    url: `http://127.0.0.1:${port}`,
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  });
}

async function read(message: IncomingMessage): Promise<Request> {
  let body = '';
  for await (const part of message as AsyncIterable<Buffer>) body += part.toString('utf8');
  const { pathname, searchParams } = new URL(message.url ?? '/', 'http://127.0.0.1');
  return {
    method: message.method ?? '',
    path: pathname,
    query: searchParams,
    headers: message.headers,
    body,
  };
}

/** A client's configuration that reaches it; one try, for the language's retries are what is tested. */
export function emulated({ url }: Pick<Emulation, 'url'>, region: string) {
  const credentials = { accessKeyId: 'nobody', secretAccessKey: 'nothing' };
  return { endpoint: url, region, credentials, maxAttempts: 1 };
}
