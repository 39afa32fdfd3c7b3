/**
 * The platform's own workflows as they are deployed: compiled by our compiler, run by the interpreter of
 * the States Language, their tasks done by the very handlers of `operations` and `takeover` through the
 * real clients of AWS, which reach the emulation. Time is the test's.
 */
import { ApplicationAutoScalingClient } from '@aws-sdk/client-application-auto-scaling';
import { BackupClient } from '@aws-sdk/client-backup';
import { CloudWatchClient } from '@aws-sdk/client-cloudwatch';
import { ECSClient } from '@aws-sdk/client-ecs';
import { KafkaClient } from '@aws-sdk/client-kafka';
import { LambdaClient } from '@aws-sdk/client-lambda';
import { RDSClient } from '@aws-sdk/client-rds';
import { Route53Client } from '@aws-sdk/client-route-53';
import { S3Client } from '@aws-sdk/client-s3';
import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { SNSClient } from '@aws-sdk/client-sns';
import { createBackups } from '#adapters/backup/backups.ts';
import { createMeasures } from '#adapters/cloudwatch/measures.ts';
import { createFleets } from '#adapters/ecs/fleets.ts';
import { createTopicInventory } from '#adapters/kafka/topic-inventory.ts';
import { createIntegrityChecks } from '#adapters/lambda/integrity-checks.ts';
import { createIds } from '#adapters/local/ids.ts';
import { createSilentLog } from '#adapters/local/json-log.ts';
import { createArchives } from '#adapters/rds/archives.ts';
import { createRdsClusters } from '#adapters/rds/clusters.ts';
import { createGlobalDatabases } from '#adapters/rds/global-databases.ts';
import { createRoute53Dns } from '#adapters/route53/dns.ts';
import { createS3Documents } from '#adapters/s3/documents.ts';
import { createSecretInventory } from '#adapters/secretsmanager/inventory.ts';
import { createSnsAnnouncements } from '#adapters/sns/announcements.ts';
import {
  PLATFORM_WORKFLOWS,
  type PlatformWorkflowName,
  platformWorkflowNames,
} from '#config/platform-workflows.ts';
import type { HomeFacts, StandbyFacts } from '#config/recovery.ts';
import { compileMachine } from '#core/asl/compile.ts';
import type { Json, JsonObject } from '#core/json.ts';
import { createInProcessEvaluator } from '#evaluator/in-process.ts';
import { type ApprovalEvent, createOperations } from '#functions/shared/operations.ts';
import { localMachineArn } from '#local/asl/arns.ts';
import { createMemoryHistoryStore } from '#local/asl/memory-history-store.ts';
import { createStateMachineRuntime } from '#local/asl/runtime.ts';
import type { ExecutionDescription } from '#local/asl/runtime-types.ts';
import { createVirtualClock, type VirtualClock } from '#local/virtual-clock.ts';
import { NO_METRICS } from '#ports/metrics.ts';
import { HOME_OPERATIONS, STANDBY_OPERATIONS } from '#services/operations/catalog.ts';
import type { HomeWorld, StandbyWorld } from '#services/operations/operation.ts';
import { platformProgram } from '#statemachines/platform.ts';
import { type Emulation, emulated, startEmulation } from './emulation.ts';

export const START = Date.parse('2026-12-06T05:00:00.000Z');
export const HOME = 'us-east-1';
export const STANDBY = 'us-west-2';
export const VAULT = 'cloudflow-prod';
export const CLUSTER = 'cloudflow-prod';
export const GLOBAL = 'cloudflow-prod';
export const API_NAME = 'api.cloudflow.example';
export const ARN_OF = (region: string): string =>
  `arn:aws:rds:${region}:111111111111:cluster:${CLUSTER}`;

export const HOME_FACTS: HomeFacts = {
  stage: 'prod',
  region: HOME,
  cluster: CLUSTER,
  vault: VAULT,
  secretsPrefix: 'cloudflow/prod/',
  topicsCluster: `arn:aws:kafka:${HOME}:111111111111:cluster/cloudflow-prod/1`,
  copies: {
    subnetGroup: 'cloudflow-prod-restored',
    securityGroup: 'sg-1',
    parameterGroup: 'cloudflow-prod-restored',
    maxUnits: 8,
  },
  archive: {
    bucket: 'cloudflow-prod-snapshots-111111111111',
    role: 'arn:aws:iam::111111111111:role/archivist',
    key: `arn:aws:kms:${HOME}:111111111111:key/data`,
  },
};

export const STANDBY_FACTS: StandbyFacts = {
  stage: 'prod',
  region: STANDBY,
  cluster: CLUSTER,
  clusterArn: ARN_OF(STANDBY),
  globalDatabase: GLOBAL,
  instance: 'cloudflow-prod-standby-1',
  instanceClass: 'db.r7g.2xlarge',
  dns: { zone: 'Z1', name: API_NAME, host: 'west.execute-api.example' },
  engine: { cluster: 'cloudflow-prod', service: 'engine', least: 12, most: 24 },
};

export interface WorldOptions {
  readonly checkIntegrity?: (event: object) => Promise<unknown>;
  readonly databaseHost?: string;
  readonly standby?: Partial<StandbyFacts>;
}

export interface Ended {
  readonly status: ExecutionDescription['status'];
  readonly error: string | null;
  readonly cause: string | null;
  readonly output: Json;
}

/** What a function does with a task: lets it through, or is in trouble itself. */
export type TaskTrouble = (task: {
  readonly state: string;
  readonly index: number;
}) => 'throttled' | 'died-before' | 'died-after' | null;

export interface RecoveryWorld {
  readonly aws: Emulation;
  readonly clock: VirtualClock;
  /** Names of states in the order in which their tasks were invoked. */
  readonly tasks: readonly string[];
  trouble: TaskTrouble;
  /** Runs one to its end, or until nothing will happen any more. */
  run(workflow: PlatformWorkflowName, input: JsonObject, more?: RunOptions): Promise<Ended>;
  answer(event: Omit<ApprovalEvent, 'kind'>): Promise<Json>;
  close(): Promise<void>;
}

export interface RunOptions {
  readonly name?: string;
  /** Looked at whenever nothing happens but by time; answers whether it did something. */
  readonly meanwhile?: () => Promise<boolean>;
}

const WHOLE = {
  ok: true,
  complete: true,
  checked: { executions: 12, events: 90 },
  totals: { executions: 12, events: 90, steps: 40, tenants: 1, exact: false },
  last_accepted_at: new Date(START - 20 * 60_000).toISOString(),
  violation_count: 0,
  violations: [],
};
/** An execution of ours makes far fewer moves of the clock. */
const MOST_MOVES = 20_000;

export async function createRecoveryWorld(options: WorldOptions = {}): Promise<RecoveryWorld> {
  const clock = createVirtualClock({ start: START });
  const aws = await startEmulation({
    clock,
    region: HOME,
    databaseHost: options.databaseHost ?? '127.0.0.1',
    checkIntegrity: options.checkIntegrity ?? (() => Promise.resolve(WHOLE)),
  });
  const evaluator = createInProcessEvaluator({ clock });
  const ids = createIds();
  const at = (region: string) => emulated(aws, region);
  const common = (region: string) => ({
    clock,
    documents: createS3Documents(new S3Client(at(region)), 'recovery'),
    announcements: createSnsAnnouncements(
      new SNSClient(at(region)),
      `arn:aws:sns:${region}:111111111111:recovery`,
    ),
    integrity: createIntegrityChecks(new LambdaClient(at(region)), 'integrity'),
  });
  const answers = {
    sendTaskSuccess: async (token: string, output: Json) =>
      (await runtime.sendTaskSuccess(token, output)).ok ? ('sent' as const) : ('gone' as const),
    sendTaskFailure: async (token: string, { error, cause }: { error: string; cause: string }) =>
      (await runtime.sendTaskFailure(token, error, cause)).ok
        ? ('sent' as const)
        : ('gone' as const),
    sendTaskHeartbeat: async (token: string) =>
      (await runtime.sendTaskHeartbeat(token)).ok ? ('sent' as const) : ('gone' as const),
  };
  const rds = (region: string) => new RDSClient(at(region));
  const handlers = {
    home: createOperations<HomeWorld>({
      runsIn: 'home',
      catalog: HOME_OPERATIONS,
      world: {
        ...common(HOME),
        facts: HOME_FACTS,
        backups: createBackups(new BackupClient(at(HOME))),
        clusters: createRdsClusters(rds(HOME)),
        secrets: createSecretInventory(new SecretsManagerClient(at(HOME))),
        topics: createTopicInventory(new KafkaClient(at(HOME))),
        archives: createArchives(rds(HOME)),
        measures: createMeasures(new CloudWatchClient(at(HOME))),
      },
      answers,
      evaluator,
      ids,
      log: createSilentLog(),
      metrics: NO_METRICS,
    }),
    standby: createOperations<StandbyWorld>({
      runsIn: 'standby',
      catalog: STANDBY_OPERATIONS,
      world: {
        ...common(STANDBY),
        facts: { ...STANDBY_FACTS, ...options.standby },
        clusters: createRdsClusters(rds(STANDBY)),
        globalDatabases: createGlobalDatabases(rds(STANDBY)),
        dns: createRoute53Dns(new Route53Client(at(STANDBY))),
        fleets: createFleets({
          services: new ECSClient(at(STANDBY)),
          scaling: new ApplicationAutoScalingClient(at(STANDBY)),
        }),
      },
      answers,
      evaluator,
      ids,
      log: createSilentLog(),
      metrics: NO_METRICS,
    }),
  };
  const machines = new Map(
    platformWorkflowNames.map((name) => {
      const compiled = compileMachine(platformProgram(name), {
        stepRunner: PLATFORM_WORKFLOWS[name].runsIn,
        unaccepted: true,
      });
      if (!compiled.ok) throw new Error(JSON.stringify(compiled.problems));
      return [localMachineArn(name), compiled.machine as unknown as JsonObject] as const;
    }),
  );

  const tasks: string[] = [];
  const faults: unknown[] = [];
  const inFlight = new Set<Promise<unknown>>();
  const world = { trouble: (() => null) as TaskTrouble };
  const runtime = createStateMachineRuntime({
    clock,
    ids,
    evaluator,
    store: createMemoryHistoryStore(),
    definitions: { load: (arn) => Promise.resolve(machines.get(arn) ?? null) },
    tasks: {
      async invokeLambda({ functionName, stateName, payload }) {
        const trouble = world.trouble({ state: stateName, index: tasks.length });
        tasks.push(stateName);
        if (trouble === 'throttled') {
          return { ok: false, error: 'Lambda.TooManyRequestsException', cause: 'slow down' };
        }
        const died = { ok: false, error: 'Lambda.Unknown', cause: 'Runtime exited' } as const;
        if (trouble === 'died-before') return died;
        try {
          const handler = handlers[functionName as keyof typeof handlers];
          const work = handler(payload as never);
          inFlight.add(work);
          const answer = await work.finally(() => inFlight.delete(work));
          return trouble === 'died-after' ? died : { ok: true, payload: answer };
        } catch (error) {
          const { name, message } = error as Error;
          const cause = JSON.stringify({ errorType: name, errorMessage: message });
          return { ok: false, error: name, cause };
        }
      },
    },
    onFault: (fault) => void faults.push(fault),
  });

  let serial = 0;
  return {
    aws,
    clock,
    tasks,
    get trouble() {
      return world.trouble;
    },
    set trouble(trouble) {
      world.trouble = trouble;
    },
    async run(workflow, input, { name = `run-${++serial}`, meanwhile } = {}) {
      const started = await runtime.startExecution({
        tenant: 'platform',
        stateMachineArn: localMachineArn(workflow),
        name,
        input,
      });
      if (!started.ok) throw new Error(started.message);
      // Time must not move while a function or the evaluator is at work.
      const remove = clock.addSettler(async () => {
        do {
          await Promise.allSettled(inFlight);
          await runtime.idle();
        } while (inFlight.size > 0);
      });
      try {
        let moved = true;
        for (let move = 0; move < MOST_MOVES; move++) {
          await clock.settle();
          if (faults.length > 0) throw faults[0];
          if (aws.unknown.length > 0) throw new Error(`not emulated: ${aws.unknown.join(', ')}`);
          const execution = await runtime.describeExecution(started.executionArn);
          if (execution === null) throw new Error('the execution is gone');
          const { status, error, cause, output } = execution;
          // It may have ended while the clock found nothing to wait for: looked at once more.
          if (status !== 'RUNNING' || !moved) return { status, error, cause, output };
          if (meanwhile !== undefined && (await meanwhile())) continue;
          moved = await clock.advanceToNext();
        }
        throw new Error(`the execution did not end in ${MOST_MOVES} moves of the clock`);
      } finally {
        remove();
      }
    },
    answer: (event) => handlers.standby({ kind: 'answer', ...event }),
    async close() {
      await runtime.close();
      await evaluator.close();
      await aws.close();
    },
  };
}
