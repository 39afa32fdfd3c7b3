import { join } from 'node:path';
import { createOutboundGate, DEFAULT_GATE_LIMITS } from '#adapters/breaker/outbound-gate.ts';
import { createDnsResolver } from '#adapters/http/dns-resolver.ts';
import { createEgressGuard } from '#adapters/http/egress-guard.ts';
import { createUndiciHttp } from '#adapters/http/undici-http.ts';
import { createCallbackTokens } from '#adapters/local/callback-tokens.ts';
import { createRealDeadlines } from '#adapters/local/real-deadlines.ts';
import { createExecutionAccess } from '#adapters/postgres/access.ts';
import { createPostgresAuditTrail } from '#adapters/postgres/audit-trail.ts';
import { createBulkWork } from '#adapters/postgres/bulk-operations.ts';
import { createCommandedSignals } from '#adapters/postgres/commanded-signals.ts';
import { createPostgresConnections } from '#adapters/postgres/connection-store.ts';
import { createOutboxPublisher } from '#adapters/postgres/outbox-publisher.ts';
import { createExecutionOwnership } from '#adapters/postgres/ownership.ts';
import { createPartitions } from '#adapters/postgres/partitions.ts';
import { watchPool } from '#adapters/postgres/pool.ts';
import { createPostgresPrograms } from '#adapters/postgres/programs.ts';
import { createExecutionRecorder } from '#adapters/postgres/recorder.ts';
import { createStepFunctionsWork } from '#adapters/postgres/step-functions-work.ts';
import { createTaskTokens } from '#adapters/postgres/task-tokens.ts';
import { createPostgresWorkflowStore } from '#adapters/postgres/workflow-store.ts';
import { createPostgresDatabases } from '#adapters/postgres-target/databases.ts';
import { readEgressPolicy } from '#config/egress.ts';
import type { ProgramEnv } from '#config/env.ts';
import { METRICS } from '#config/metrics.ts';
import { createEvaluatorPool, type EvaluatorPool } from '#evaluator/pool.ts';
import type { CommandedSignals } from '#ports/engine-control.ts';
import type { ExecutionOwnership } from '#ports/execution-store.ts';
import type { StepFunctionsWork } from '#ports/step-functions-work.ts';
import { createChildren } from '#services/executions/children.ts';
import { createCatalog } from '#services/workflows/catalog.ts';
import { createKnownExecutions } from '#steps/runner/known.ts';
import type { RunnerDeps } from '#steps/runner/task.ts';
import type { startBulkWorker } from './bulk.ts';
import { createOwnCache } from './cache.ts';
import { openPools } from './database.ts';
import { openHints } from './hints.ts';
import type { Basics } from './process.ts';
import { openTenantSecrets } from './secrets.ts';

/** Set by the build: in a bundle the script of the evaluator's processes lies beside it. */
declare const CLOUDFLOW_BUNDLED: boolean | undefined;

export interface StepProcessOptions {
  /** Expressions at a time. */
  readonly evaluators: number;
  /** Connections as `cloudflow_app` and as `cloudflow_engine`. */
  readonly connections: { readonly app: number; readonly engine: number };
}

/** What a program has that does the work of steps: the engine, the step runner and their kin. */
export interface StepProcess {
  /** What engines are asked to do to executions. */
  readonly signals: CommandedSignals;
  readonly runner: RunnerDeps;
  readonly ownership: ExecutionOwnership;
  readonly work: StepFunctionsWork;
  /** For a worker of bulk operations. */
  readonly bulk: Omit<Parameters<typeof startBulkWorker>[0], 'clock' | 'ids' | 'log' | 'metrics'>;
  readonly evaluator: EvaluatorPool;
  /** Tells levels as well: for programs that live longer than one call. */
  watch(): void;
  /** Resolves when nothing that was hinted is on its way: wait for it before a function answers. */
  settled(): Promise<void>;
  /** Ends what was opened here, in order. */
  close(): Promise<void>;
}

export function connectSteps(
  basics: Basics,
  env: ProgramEnv<'step-runner'>,
  options: StepProcessOptions,
): StepProcess {
  const { clock, ids, codec, log, metrics, tracer } = basics;
  const open = openPools(basics, env);
  const app = open('cloudflow_app', options.connections.app);
  const engine = open('cloudflow_engine', options.connections.engine);
  const partitions = createPartitions(engine);
  const evaluator = createEvaluatorPool({
    processes: options.evaluators,
    clock,
    metrics,
    ...(typeof CLOUDFLOW_BUNDLED === 'undefined'
      ? {}
      : { entry: join(import.meta.dirname, 'evaluator.mjs') }),
  });
  const guard = createEgressGuard({
    policy: readEgressPolicy(env),
    resolver: createDnsResolver(),
  });
  const http = createUndiciHttp({ guard });
  const databases = createPostgresDatabases({ guard, log });
  const cache = createOwnCache(basics);
  const programs = createPostgresPrograms(app, cache);
  const ownership = createExecutionOwnership({ pool: engine, codec, partitions, log, metrics });
  const gate = createOutboundGate(clock, DEFAULT_GATE_LIMITS, metrics);
  const callbackTokens = createCallbackTokens();
  const { hints, settled } = openHints(basics, env, { pool: app, partitions });
  const executions = createExecutionAccess({
    pool: app,
    readers: app,
    codec,
    ids,
    partitions,
    adopter: null,
  });
  const catalog = createCatalog(createPostgresWorkflowStore({ pool: app, codec, ids }), cache);
  const runtimes = new Set(['engine', 'step_functions'] as const);
  return {
    signals: createCommandedSignals({ pool: app, codec }),
    ownership,
    bulk: {
      ...{ executions, programs, catalog, runtimes, hints },
      work: createBulkWork({ pool: engine, codec }),
      trail: createPostgresAuditTrail(app),
    },
    evaluator,
    work: createStepFunctionsWork({ pool: engine, codec }),
    settled,
    watch() {
      const Program = basics.name;
      watchPool(metrics, app, Program, 'cloudflow_app');
      watchPool(metrics, engine, Program, 'cloudflow_engine');
      metrics.watch(METRICS.CircuitsOpen, { Program }, () => gate.open);
      metrics.watch(METRICS.EvaluatorWaiting, { Program }, () => evaluator.stats().queued);
    },
    runner: {
      clock,
      ids,
      log,
      metrics,
      tracer,
      executions,
      programs,
      callbackTokens,
      recorder: createExecutionRecorder({ pool: app, codec, partitions }),
      known: createKnownExecutions(),
      operating: ownership,
      tokens: createTaskTokens(engine),
      evaluator,
      deadlines: createRealDeadlines(),
      gate,
      connections: createPostgresConnections(app),
      secrets: openTenantSecrets(basics, env),
      http,
      databases,
      outbox: createOutboxPublisher({ pool: app, codec, partitions, clock }),
      children: createChildren({
        executions,
        catalog,
        hints,
        runtimes,
        clock,
      }),
      publicUrl: env.PUBLIC_URL,
    },
    async close() {
      await settled();
      await evaluator.close();
      await http.close();
      await databases.close();
      await app.end();
      await engine.end();
    },
  };
}
