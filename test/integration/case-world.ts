/**
 * The outside of conformance cases over real HTTP: it answers by script and keeps what reached it. It
 * is a process that is never killed, so what it remembers is the evidence.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { parseStepKey } from '#core/execution/events.ts';
import type { ConformanceCase, HttpAnswer } from '#test/conformance/case.ts';

export interface Hit {
  readonly caseName: string;
  readonly executionId: string;
  /** A step key; of a compensation `undo:<step key>`. */
  readonly key: string;
  readonly attempt: number;
  readonly idempotencyKey: string;
  /** Real time: business time stands still while calls are under way. */
  readonly at: number;
}

export interface CaseWorld {
  readonly port: number;
  readonly hits: readonly Hit[];
  /** Requests that have come and are not answered. */
  readonly open: number;
  /** Executions that are no retries: cases with a retry have another world from then on. */
  readonly firsts: Set<string>;
  /** The token that a callback's latest request handed out. */
  token(executionId: string, step: string): string | null;
  /** Largest number at once, by execution and step path. */
  mostAtOnce(executionId: string, path: string): number;
  /** Called with each request that comes, and with each that was answered. */
  onHit: (hit: Hit) => void;
  onAnswer: (hit: Hit) => void;
  close(): Promise<void>;
}

/** The address that stands for the outside in definitions of a case. */
export function addressOf(world: { readonly port: number }, name: string): string {
  return `http://127.0.0.1:${world.port}/${encodeURIComponent(name)}/`;
}

export async function startCaseWorld(cases: readonly ConformanceCase[]): Promise<CaseWorld> {
  const byName = new Map(cases.map((one) => [one.name, one]));
  const firsts = new Set<string>();
  const hits: Hit[] = [];
  const tokens = new Map<string, string>();
  const atOnce = new Map<string, { now: number; most: number }>();
  let open = 0;

  function answerFor({ caseName, executionId, key, attempt }: Hit): HttpAnswer {
    const undo = key.startsWith('undo:') ? 'undo:' : '';
    const { path } = parseStepKey(key.slice(undo.length));
    const one = byName.get(caseName);
    const later = firsts.has(executionId) ? undefined : one?.retry?.world?.http;
    const script = later ?? one?.world?.http;
    const answers = script?.[key] ?? script?.[`${undo}${path}`] ?? [];
    return answers[Math.min(attempt, answers.length) - 1] ?? { body: { ok: true } };
  }

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { headers } = request;
    const step = String(headers['x-cloudflow-step']);
    const idempotencyKey = String(headers['idempotency-key']);
    const undo = idempotencyKey.endsWith('/compensate') ? 'undo:' : '';
    const hit: Hit = {
      caseName: decodeURIComponent((request.url ?? '').split('/')[1] ?? ''),
      executionId: String(headers['x-cloudflow-execution']),
      key: `${undo}${step}`,
      attempt: Number(headers['x-cloudflow-attempt']),
      idempotencyKey,
      at: Date.now(),
    };
    hits.push(hit);
    const place = `${hit.executionId} ${undo}${parseStepKey(step).path}`;
    const count = atOnce.get(place) ?? { now: 0, most: 0 };
    atOnce.set(place, count);
    count.now += 1;
    count.most = Math.max(count.most, count.now);
    open += 1;
    const gone = new AbortController();
    response.once('close', () => {
      open -= 1;
      count.now -= 1;
      gone.abort();
    });
    world.onHit(hit);
    const answer = answerFor(hit);
    try {
      await pause(answer.delay_ms ?? 0, undefined, { signal: gone.signal });
    } catch {
      return; // whoever asked has hung up, or is dead
    }
    if (answer.refused === true) {
      response.destroy();
      return;
    }
    const status = answer.status ?? 200;
    const token = headers['x-cloudflow-callback-token'];
    if (typeof token === 'string' && status < 300) tokens.set(`${hit.executionId} ${step}`, token);
    response.sendDate = false; // answers of one script are equal, whenever they are given
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(answer.body === undefined ? '' : JSON.stringify(answer.body), () =>
      world.onAnswer(hit),
    );
  }

  const server = createServer((request, response) => {
    request.resume();
    serve(request, response).catch((error: unknown) => {
      response.destroy(error as Error);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const world: CaseWorld = {
    port: (server.address() as AddressInfo).port,
    hits,
    firsts,
    get open() {
      return open;
    },
    token: (executionId, step) => tokens.get(`${executionId} ${step}`) ?? null,
    mostAtOnce: (executionId, path) => atOnce.get(`${executionId} ${path}`)?.most ?? 0,
    onHit: () => undefined,
    onAnswer: () => undefined,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return world;
}
