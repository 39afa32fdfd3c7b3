import { join } from 'node:path';
import { createOutboundGate, DEFAULT_GATE_LIMITS } from '#adapters/breaker/outbound-gate.ts';
import { createDnsResolver } from '#adapters/http/dns-resolver.ts';
import { createEgressGuard } from '#adapters/http/egress-guard.ts';
import { createNodeHttp } from '#adapters/http/node-http.ts';
import { createUndiciHttp } from '#adapters/http/undici-http.ts';
import { openFileSecrets } from '#adapters/local/file-secrets.ts';
import { createRealDeadlines } from '#adapters/local/real-deadlines.ts';
import { createPostgresConnections } from '#adapters/postgres/connection-store.ts';
import { createPostgresDatabases } from '#adapters/postgres-target/databases.ts';
import type { EgressPolicy } from '#config/egress.ts';
import { METRICS } from '#config/metrics.ts';
import { createEvaluatorPool } from '#evaluator/pool.ts';
import type { Http } from '#ports/http.ts';
import type { StepDeps } from '#steps/deps.ts';
import type { Ground } from './ground.ts';

type OfSteps = Pick<
  StepDeps,
  'evaluator' | 'deadlines' | 'gate' | 'secrets' | 'http' | 'databases'
>;

/** How far this process reaches beyond itself, all of it through one guard. */
export interface Reach extends OfSteps {
  readonly connections: ReturnType<typeof createPostgresConnections>;
  /** Exact hosts and ports that are let through besides what is public. */
  readonly egress: EgressPolicy & { readonly allow: Set<string> };
  /** As the function that signs people in elsewhere has it. */
  readonly rareHttp: Http;
  /** Throws where the evaluator gives no answer. */
  askEvaluator(): Promise<void>;
}

export async function openReach(ground: Ground, policy: EgressPolicy): Promise<Reach> {
  const { clock, log, metrics, onStop, pools, state } = ground;
  const evaluator = createEvaluatorPool({ processes: 2, clock, metrics });
  onStop(() => evaluator.close());
  const egress = { allow: new Set(policy.allow), httpPorts: policy.httpPorts };
  const guard = createEgressGuard({ policy: egress, resolver: createDnsResolver() });
  const http = createUndiciHttp({ guard });
  onStop(() => http.close());
  const rareHttp = createNodeHttp({ guard });
  onStop(() => rareHttp.close());
  const databases = createPostgresDatabases({ guard, log });
  onStop(() => databases.close());
  const gate = createOutboundGate(clock, DEFAULT_GATE_LIMITS, metrics);
  const Program = 'platform';
  metrics.watch(METRICS.CircuitsOpen, { Program }, () => gate.open);
  metrics.watch(METRICS.EvaluatorWaiting, { Program }, () => evaluator.stats().queued);
  return {
    ...{ evaluator, gate, http, rareHttp, databases, egress },
    deadlines: createRealDeadlines(),
    connections: createPostgresConnections(pools.app),
    secrets: await openFileSecrets(join(state.path, 'secrets')),
    async askEvaluator() {
      // nobody's tenant, so that no tenant's expressions decide about it
      const own = { tenant: 'readiness', expressions: ['1'], bindings: {} } as const;
      const [answer] = await evaluator.evaluate({ ...own, dialect: 'portable' });
      if (answer?.ok !== true) throw new Error('the evaluator gave no answer');
    },
  };
}
