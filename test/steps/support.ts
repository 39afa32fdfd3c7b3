import { createOutboundGate } from '#adapters/breaker/outbound-gate.ts';
import type { ConnectionSpec, OperationSpec } from '#core/connections.ts';
import type { Json } from '#core/json.ts';
import { checkDefinition } from '#core/plan/check.ts';
import { allSteps, type Step } from '#core/plan/program.ts';
import { Secret } from '#core/secret.ts';
import { createInProcessEvaluator } from '#evaluator/in-process.ts';
import type { ChildAnswer, ChildEnd, ChildRequest } from '#ports/children.ts';
import type { DatabaseAnswer, DatabaseRequest } from '#ports/databases.ts';
import type { HttpAnswer, HttpRequest } from '#ports/http.ts';
import type { OutboxRequest } from '#ports/outbox.ts';
import type { StepDeps } from '#steps/deps.ts';
import type { CallResult, StepCall } from '#steps/perform-call.ts';
import type { CompensationCall } from '#steps/perform-compensation.ts';

export const ROOT_ID = '0190b5a0-0000-7000-8000-0000000000aa';
export const EXECUTION_ID = '0190b5a0-0000-7000-8000-0000000000bb';

/** Everything a step works with, in memory: what went out is kept, what comes back is scripted. */
export interface World extends StepDeps {
  readonly requests: HttpRequest[];
  readonly statements: DatabaseRequest[];
  readonly published: OutboxRequest[];
  readonly children: StepDeps['children'] & { readonly started: ChildRequest[] };
  /** Ends the time of every attempt that is under way. */
  expire(): void;
  readonly openDeadlines: () => number;
  answer: (request: HttpRequest) => HttpAnswer | Promise<HttpAnswer>;
  answerStatement: (request: DatabaseRequest) => DatabaseAnswer;
  answerChild: ChildAnswer;
  endOfChild: ChildEnd | null;
  readonly registered: { [name: string]: ConnectionSpec };
  readonly operations: { [name: string]: OperationSpec };
  readonly stored: { [name: string]: string };
}

export function http(
  status: number,
  body: Json | Uint8Array,
  headers: Record<string, string> = {},
): HttpAnswer {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  return {
    ok: true,
    status,
    headers: {
      ...(typeof body === 'string' ? {} : { 'content-type': 'application/json' }),
      ...headers,
    },
    body: body instanceof Uint8Array ? body : new TextEncoder().encode(text),
  };
}

export function createWorld(): World {
  const deadlines = new Set<AbortController>();
  const started: ChildRequest[] = [];
  const world: World = {
    requests: [],
    statements: [],
    published: [],
    registered: {},
    operations: {},
    stored: {},
    answer: () => http(200, {}),
    answerStatement: () => ({ ok: true, result: { row_count: 1 }, replayed: false }),
    answerChild: { kind: 'started', executionId: 'child-1' },
    endOfChild: { status: 'COMPLETED', error: null },
    publicUrl: 'https://flow.example',
    evaluator: createInProcessEvaluator(),
    gate: createOutboundGate({
      now: () => 0,
      monotonic: () => 0,
      schedule: () => ({ cancel: () => undefined }),
      after: () => ({ cancel: () => undefined }),
    }),
    expire: () => {
      for (const each of deadlines) each.abort();
    },
    openDeadlines: () => deadlines.size,
    deadlines: {
      after: () => {
        const controller = new AbortController();
        deadlines.add(controller);
        return { signal: controller.signal, clear: () => deadlines.delete(controller) };
      },
    },
    connections: {
      find: (_tenant, mode, name) => {
        const spec = mode === 'live' ? world.registered[name] : undefined;
        return Promise.resolve(
          spec === undefined ? null : { name, id: `id of ${name}`, revision: 3, spec, secrets: {} },
        );
      },
      findOperation: (_tenant, mode, name) => {
        const spec = mode === 'live' ? world.operations[name] : undefined;
        return Promise.resolve(spec === undefined ? null : { name, revision: 1, spec });
      },
    },
    secrets: {
      get: ({ name }) => {
        const value = world.stored[name];
        return Promise.resolve(value === undefined ? null : new Secret(value));
      },
      put: () => Promise.reject(new Error('steps never write secrets')),
      delete: () => Promise.reject(new Error('steps never delete secrets')),
    },
    http: {
      request: async (request) => {
        world.requests.push(request);
        return await world.answer(request);
      },
      close: () => Promise.resolve(),
    },
    databases: {
      run: (request) => {
        world.statements.push(request);
        return Promise.resolve(world.answerStatement(request));
      },
      close: () => Promise.resolve(),
    },
    outbox: {
      publish: (message) => {
        world.published.push(message);
        return Promise.resolve();
      },
    },
    children: {
      started,
      start: (child) => {
        started.push(child);
        return Promise.resolve(world.answerChild);
      },
      ended: () => Promise.resolve(world.endOfChild),
    },
  };
  return world;
}

/** Steps of a real definition, as the compiler hands them to both runtimes. */
export function stepOf(
  step: { [member: string]: Json },
  others: { [member: string]: Json }[] = [],
): Step {
  const checked = checkDefinition({ workflow_id: 'w', version: '1.0.0', steps: [...others, step] });
  if (!('program' in checked) || checked.program === null) throw new Error(JSON.stringify(checked));
  for (const each of allSteps(checked.program.root)) if (each.id === step['id']) return each;
  throw new Error('no such step');
}

export function callOf(step: Step, config: Json, more: Partial<StepCall> = {}): StepCall {
  return {
    tenant: 'acme',
    mode: 'live',
    executionId: EXECUTION_ID,
    rootId: ROOT_ID,
    key: step.path,
    step,
    attempt: 1,
    config,
    timeoutMs: 1_500,
    bindings: {},
    ...more,
  };
}

export function undoOf(
  step: Step,
  record: CompensationCall['record'],
  more: Partial<CompensationCall> = {},
): CompensationCall {
  return {
    tenant: 'acme',
    mode: 'live',
    executionId: EXECUTION_ID,
    rootId: ROOT_ID,
    key: step.path,
    step,
    attempt: 1,
    record,
    ...more,
  };
}

/** `ok`, or the name of the error without its prefix. */
export function codeOf(result: CallResult): string {
  return result.ok ? 'ok' : result.error.code.replace('CloudFlow.', '');
}
