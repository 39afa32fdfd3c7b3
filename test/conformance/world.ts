/**
 * The outside of a conformance run, and nothing else: what is behind the ports of steps. It answers by
 * script, on the virtual clock, and keeps what reached it.
 */
import { parseStepKey, type StepKey } from '#core/execution/events.ts';
import { isJsonObject, type Json } from '#core/json.ts';
import { Secret } from '#core/secret.ts';
import type { Clock } from '#ports/clock.ts';
import type { Connections } from '#ports/connections.ts';
import type { DatabaseAnswer, Databases } from '#ports/databases.ts';
import type { Deadlines } from '#ports/deadlines.ts';
import type { Http, HttpRequest } from '#ports/http.ts';
import type { Outbox } from '#ports/outbox.ts';
import type { Secrets } from '#ports/secrets.ts';
import type { HttpAnswer, World as Script } from './case.ts';

/** One request that reached the outside. */
export interface Call {
  readonly executionId: string;
  /** A step key; of a compensation `undo:<step key>`. */
  readonly key: string;
  readonly attempt: number;
  /** Milliseconds since the start of the run. */
  readonly at: number;
  readonly idempotencyKey: string;
  /** What was asked for, without what names a runtime or a token. */
  readonly what: Json;
}

export interface OutsideWorld {
  readonly calls: readonly Call[];
  /** Largest number of calls at once, by step path. */
  readonly inFlight: ReadonlyMap<string, number>;
  readonly http: Http;
  readonly databases: Databases;
  readonly outbox: Outbox;
  readonly connections: Connections;
  readonly secrets: Secrets;
  readonly deadlines: Deadlines;
}

export interface WorldDeps {
  readonly clock: Clock;
  readonly start: number;
  readonly script: Script;
  /** Attempts of a step that have begun, as its log says: for calls that carry no number. */
  attemptsBegun(executionId: string, key: StepKey, purpose: 'step' | 'undo'): number;
  /** A callback's request has arrived. */
  onToken(executionId: string, key: StepKey, token: string): void;
}

export const MISSING = 'missing';

/** The script's list for a step: by its key, or by its path for all instances. */
export function scripted<T>(
  of: { readonly [step: string]: T } | undefined,
  key: string,
): T | undefined {
  const undo = key.startsWith('undo:') ? 'undo:' : '';
  const { path } = parseStepKey(key.slice(undo.length));
  return of?.[key] ?? of?.[`${undo}${path}`];
}

export function createOutsideWorld(deps: WorldDeps): OutsideWorld {
  const { clock, start, script } = deps;
  const calls: Call[] = [];
  const running = new Map<string, number>();
  const inFlight = new Map<string, number>();
  const awayFor = new Map<string, number>();

  const answerFor = (key: string, attempt: number): HttpAnswer => {
    const answers = scripted(script.http, key) ?? [];
    return answers[Math.min(attempt, answers.length) - 1] ?? { body: { ok: true } };
  };

  function note(call: Omit<Call, 'at'>): void {
    calls.push({ ...call, at: clock.now() - start });
  }

  /** Takes as long as the script says, or until the caller hangs up. */
  async function lasting(key: string, delayMs: number, signal: AbortSignal): Promise<boolean> {
    const { path } = parseStepKey(key.replace(/^undo:/, ''));
    const now = (running.get(path) ?? 0) + 1;
    running.set(path, now);
    inFlight.set(path, Math.max(now, inFlight.get(path) ?? 0));
    const inTime = await new Promise<boolean>((resolve) => {
      if (signal.aborted) resolve(false);
      else if (delayMs === 0) resolve(true);
      else {
        const timer = clock.schedule(clock.now() + delayMs, () => resolve(true));
        signal.addEventListener('abort', () => {
          timer.cancel();
          resolve(false);
        });
      }
    });
    running.set(path, (running.get(path) ?? 1) - 1);
    return inTime;
  }

  /** Rule 18: throws as a part of ours that is away would. */
  function beThere(executionId: string, key: string): void {
    const name = `${executionId}/${key}`;
    const so = awayFor.get(name) ?? 0;
    if (so >= (scripted(script.away, key) ?? 0)) return;
    awayFor.set(name, so + 1);
    throw new Error('this part is away');
  }

  const http: Http = {
    async request(request) {
      const { headers } = request;
      const purpose = headers['idempotency-key']?.endsWith('/compensate') ? 'undo:' : '';
      const step = headers['x-cloudflow-step'] ?? '';
      const executionId = headers['x-cloudflow-execution'] ?? '';
      const key = `${purpose}${step}`;
      const attempt = Number(headers['x-cloudflow-attempt']);
      const idempotencyKey = headers['idempotency-key'] ?? '';
      note({ executionId, key, attempt, idempotencyKey, what: whatOf(request) });
      const answer = answerFor(key, attempt);
      if (!(await lasting(key, answer.delay_ms ?? 0, request.signal))) {
        return { ok: false, reason: 'aborted', message: 'the caller hung up' };
      }
      if (answer.refused === true) {
        return { ok: false, reason: 'unreachable', message: 'nobody listens there' };
      }
      if (answer.garbled === true) {
        return { ok: false, reason: 'undecodable', message: 'this is no HTTP' };
      }
      const token = headers['x-cloudflow-callback-token'];
      const status = answer.status ?? 200;
      if (token !== undefined && status < 300) deps.onToken(executionId, step, token);
      const body = answer.body === undefined ? '' : JSON.stringify(answer.body);
      return {
        ok: true,
        status,
        headers: { 'content-type': 'application/json' },
        body: new TextEncoder().encode(body),
      };
    },
    close: () => Promise.resolve(),
  };

  const databases: Databases = {
    async run(request) {
      const [executionId = '', step = '', undo] = request.key.split('/');
      const key = `${undo === undefined ? '' : 'undo:'}${step}`;
      const purpose = undo === undefined ? 'step' : 'undo';
      const attempt = Math.max(1, deps.attemptsBegun(executionId, step, purpose));
      const what: Json = { text: request.text, values: request.values as Json };
      note({ executionId, key, attempt, idempotencyKey: request.key, what });
      const answer = answerFor(key, attempt);
      if (!(await lasting(key, answer.delay_ms ?? 0, request.signal))) {
        return { ok: false, reason: 'aborted', message: 'the caller hung up' };
      }
      return databaseAnswer(answer);
    },
    close: () => Promise.resolve(),
  };

  const outbox: Outbox = {
    async publish(message) {
      const { execution_id, step } = message.payload as { execution_id: string; step: string };
      beThere(execution_id, step);
      const key = `notify:${step}`;
      // The same id for every attempt, and for a repetition after a crash.
      note({
        executionId: execution_id,
        key,
        attempt: 1,
        idempotencyKey: message.id,
        what: { topic: message.topic, payload: message.payload },
      });
    },
  };

  const connections: Connections = {
    find: async (_tenant, _mode, name) =>
      name === MISSING
        ? null
        : {
            ...{ name, id: name, revision: 1, secrets: {} },
            spec: {
              type: 'postgres',
              host: 'db.test',
              database: 'shop',
              login: { username: 'shop', secret: 'shop-password' },
            },
          },
    findOperation: async (_tenant, _mode, name) => {
      if (name === MISSING) return null;
      const parameter = name.startsWith('with-') ? 'v' : script.parameters?.[name];
      return {
        name,
        revision: 1,
        spec: {
          connection: 'db',
          access: 'write',
          statement:
            parameter === undefined ? 'update t set done = true' : `update t set v = :${parameter}`,
          ...(parameter === undefined
            ? {}
            : {
                parameters: {
                  type: 'object',
                  properties: { [parameter]: { type: ['string', 'number', 'boolean', 'null'] } },
                },
              }),
        },
      };
    },
  };

  return {
    ...{ calls, inFlight, http, databases, outbox, connections },
    secrets: {
      get: async () => new Secret('a-password'),
      put: () => Promise.reject(new Error('steps never write secrets')),
      delete: () => Promise.reject(new Error('steps never delete secrets')),
    },
    deadlines: {
      after(ms) {
        const controller = new AbortController();
        const timer = clock.schedule(clock.now() + ms, () => controller.abort());
        return { signal: controller.signal, clear: () => timer.cancel() };
      },
    },
  };
}

function whatOf({ method, url, headers, body }: HttpRequest): Json {
  const own = Object.entries(headers).filter(
    ([name]) => !name.startsWith('x-cloudflow-') && name !== 'idempotency-key',
  );
  return { method, url, headers: Object.fromEntries(own), body: withoutToken(body) };
}

/** Tokens of callbacks are random: the only thing in a request that may differ. */
function withoutToken(body: string | null): Json {
  if (body === null) return null;
  let value: Json;
  try {
    value = JSON.parse(body) as Json;
  } catch {
    return body; // a text, sent as it is
  }
  if (!isJsonObject(value)) return value;
  const callback = value['callback'];
  const isOurs = typeof callback === 'object' && callback !== null && 'complete_url' in callback;
  return isOurs ? { ...value, callback: 'given' } : value;
}

function databaseAnswer(answer: HttpAnswer): DatabaseAnswer {
  const status = answer.status ?? 200;
  if (answer.refused === true || status >= 500) {
    return { ok: false, reason: 'unavailable', message: 'no connection' };
  }
  if (status === 429)
    return { ok: false, reason: 'serialization', message: 'lost against another' };
  if (status >= 400) return { ok: false, reason: 'constraint', message: 'the data refuses it' };
  return { ok: true, result: { row_count: 1 }, replayed: false };
}
