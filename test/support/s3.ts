/**
 * An S3 that is not ours (fauxqs), behind a front that adds what it lacks: writes on the condition that
 * nothing is there. The front answers as AWS documents it, 412 where something is and 409 for a rival
 * that S3 has not decided about; that S3 itself lets one of many win is AWS's word and not proven here.
 */
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { S3Client } from '@aws-sdk/client-s3';
import { type FauxqsServer, startFauxqs } from 'fauxqs';
import { afterAll } from 'vitest';
import { clientConfig } from './aws.ts';

export interface TestS3 {
  readonly client: S3Client;
  readonly url: string;
  createBucket(name: string): void;
  /** The next writes on a condition are sent away undecided, as rivals are. */
  conflict(writes: number): void;
}

const closers: (() => Promise<unknown>)[] = [];
afterAll(async () => {
  for (const close of closers.splice(0)) await close();
});

/** Starts both; they are closed after the tests of the file. */
export async function startS3(): Promise<TestS3> {
  const store = await startFauxqs({ port: 0, logger: false });
  closers.push(() => store.stop());
  let conflicts = 0;
  /** By path: conditions are judged one after the other. */
  const deciding = new Map<string, Promise<void>>();

  async function decide(asked: IncomingMessage, answer: ServerResponse): Promise<void> {
    if (conflicts > 0) {
      conflicts--;
      return refuse(asked, answer, 409, 'ConditionalRequestConflict');
    }
    if (await isThere(store, asked.url ?? '')) {
      return refuse(asked, answer, 412, 'PreconditionFailed');
    }
    await forward(store, asked, answer);
  }
  const front = createServer((asked, answer) => {
    const path = (asked.url ?? '').split('?', 1)[0] ?? '';
    if (asked.headers['if-none-match'] !== '*') {
      void forward(store, asked, answer);
      return;
    }
    const turn = (deciding.get(path) ?? Promise.resolve()).then(() => decide(asked, answer));
    deciding.set(path, turn);
  });
  await new Promise<void>((resolve) => front.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(front.address() as AddressInfo).port}`;
  const client = new S3Client({ ...clientConfig({ url }), forcePathStyle: true });
  closers.unshift(async () => {
    client.destroy();
    front.closeAllConnections();
    await new Promise((resolve) => front.close(resolve));
  });
  return {
    url,
    client,
    createBucket: (name) => void store.createBucket(name),
    conflict: (writes) => {
      conflicts = writes;
    },
  };
}

/** Resolves when the answer has been passed on. */
function forward(
  store: FauxqsServer,
  asked: IncomingMessage,
  answer: ServerResponse,
): Promise<void> {
  return new Promise((resolve) => {
    const inner = request(
      {
        ...{ host: '127.0.0.1', port: store.port },
        ...{ method: asked.method, path: asked.url, headers: asked.headers },
      },
      (answered) => {
        answer.writeHead(answered.statusCode ?? 500, answered.headers);
        answered.pipe(answer).once('close', resolve);
      },
    );
    inner.once('error', () => {
      answer.destroy();
      resolve();
    });
    asked.pipe(inner);
  });
}

function isThere(store: FauxqsServer, url: string): Promise<boolean> {
  const path = url.split('?', 1)[0];
  return new Promise((resolve, reject) => {
    request({ host: '127.0.0.1', port: store.port, method: 'HEAD', path }, (answered) => {
      answered.resume();
      resolve(answered.statusCode === 200);
    })
      .once('error', reject)
      .end();
  });
}

function refuse(asked: IncomingMessage, answer: ServerResponse, status: number, code: string) {
  asked.resume();
  answer.writeHead(status, { 'content-type': 'application/xml' });
  answer.end(`<?xml version="1.0"?><Error><Code>${code}</Code><Message>no</Message></Error>`);
}
