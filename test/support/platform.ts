import { createCallbackTokens } from '#adapters/local/callback-tokens.ts';
import { createIds } from '#adapters/local/ids.ts';
import { createSilentLog } from '#adapters/local/json-log.ts';
import { createSystemClock } from '#adapters/local/system-clock.ts';
import { createExecutionAccess } from '#adapters/postgres/access.ts';
import { createExecutionOwnership } from '#adapters/postgres/ownership.ts';
import { createPartitions } from '#adapters/postgres/partitions.ts';
import { createPlainCodec } from '#adapters/postgres/payload-codec.ts';
import { createPool } from '#adapters/postgres/pool.ts';
import { checkDefinition } from '#core/plan/check.ts';
import type { Program } from '#core/plan/program.ts';
import type { EngineDeps, EngineLimits, StepPerformer } from '#engine/deps.ts';
import { createEngine, type Engine } from '#engine/engine.ts';
import type { Clock } from '#ports/clock.ts';
import type {
  AcceptRequest,
  Adopter,
  ExecutionAccess,
  ExecutionOwnership,
} from '#ports/execution-store.ts';
import type { Log } from '#ports/log.ts';

/** Accept path and engine over a database, as the platform wires them, with a performer of choice. */
export interface TestPlatform {
  readonly access: ExecutionAccess;
  readonly engine: Engine;
  readonly deps: EngineDeps;
  /** A request to run a program that `programs` knows. */
  request(program: Program, more?: Partial<AcceptRequest>): AcceptRequest;
  close(): Promise<void>;
}

export interface TestPlatformOptions {
  readonly url: string;
  readonly performer: StepPerformer;
  readonly programs: readonly Program[];
  readonly clock?: Clock;
  readonly limits?: Partial<EngineLimits>;
  /** False: what is accepted waits to be claimed. */
  readonly adopt?: boolean;
  readonly log?: Log;
  readonly deps?: Partial<EngineDeps>;
  /** Watches or disturbs what the engine asks of the store. */
  readonly decorateStore?: (store: ExecutionOwnership) => ExecutionOwnership;
}

export const TENANT = '11111111-1111-4111-8111-111111111111';
export const OTHER_TENANT = '22222222-2222-4222-8222-222222222222';

export function createTestPlatform(options: TestPlatformOptions): TestPlatform {
  const log = options.log ?? createSilentLog();
  const clock = options.clock ?? createSystemClock();
  const ids = createIds();
  const codec = createPlainCodec();
  const pool = (role: 'cloudflow_app' | 'cloudflow_engine', max: number) =>
    createPool({ url: options.url, role, max, name: 'test', log });
  const acceptPool = pool('cloudflow_app', 4);
  const readers = pool('cloudflow_app', 4);
  const enginePool = pool('cloudflow_engine', 6);
  const programs = new Map(options.programs.map((program) => [program.hash, program]));
  const store = createExecutionOwnership({
    pool: enginePool,
    codec,
    partitions: createPartitions(enginePool),
    log,
  });
  const deps: EngineDeps = {
    store: options.decorateStore?.(store) ?? store,
    programs: { find: (_tenant, hash) => Promise.resolve(programs.get(hash) ?? null) },
    performer: options.performer,
    evaluator: {
      evaluate: () => Promise.reject(new Error('no evaluator in this test')),
      close: () => Promise.resolve(),
    },
    children: {
      start: () => Promise.reject(new Error('no children in this test')),
    },
    tokens: createCallbackTokens(),
    clock,
    ids,
    log,
    ...options.deps,
  };
  const engine = createEngine(deps, options.limits);
  const adopter: Adopter | null = options.adopt === false ? null : engine.adopter;
  const access = createExecutionAccess({
    pool: acceptPool,
    readers,
    codec,
    ids,
    partitions: createPartitions(acceptPool),
    adopter,
  });
  return {
    access,
    engine,
    deps,
    request(program, more = {}) {
      const now = clock.now();
      const id = more.id ?? ids.next(now);
      return {
        tenant: TENANT,
        mode: 'live',
        id,
        workflowId: program.workflowId,
        version: program.version,
        programHash: program.hash,
        runtime: 'engine',
        input: {},
        rootId: id,
        parent: null,
        depth: 0,
        retryOf: null,
        carried: null,
        labels: {},
        correlationId: null,
        idempotency: null,
        now,
        ...more,
      };
    },
    async close() {
      await engine.stop();
      await Promise.all([acceptPool.end(), readers.end(), enginePool.end()]);
    },
  };
}

/** A checked definition; throws with its problems when it is not one. */
export function programOf(definition: object): Program {
  const checked = checkDefinition(definition);
  if (!checked.ok) throw new Error(JSON.stringify(checked.problems));
  return checked.program;
}

/** `count` HTTP steps, one after the other. */
export function chainOf(count: number, more: object = {}): Program {
  return programOf({
    workflow_id: 'chain',
    version: '1.0.0',
    ...more,
    steps: Array.from({ length: count }, (_, i) => ({
      id: `step-${i + 1}`,
      type: 'http_request',
      depends_on: i === 0 ? [] : [`step-${i}`],
      config: { url: 'https://example.com/', method: 'POST' },
    })),
  });
}
