/**
 * The one registry of what runs: every Lambda function and every container, what starts it, what it is
 * told, what it may do and what it may cost. The build bundles what stands here, the stacks deploy it,
 * the local stack wires it, and tests hold all three to it.
 *
 *  G1 Every route of the contract belongs to exactly one function; a schedule, queue or event has one.
 *  G2 A program reads the keys of `env` and no others, and does what `can` says and nothing else.
 *  G3 Names are stable: they are names of functions, of bundles and of connections to the database.
 */
import type { Capability } from './capabilities.ts';
import { CONSUMERS, type ConsumerName } from './consumers.ts';
import type { LayerName } from './layers.ts';
import { CONTAINER_ENV, FUNCTION_ENV } from './program-env.ts';
import { TIME_LIMITS } from './time-limits.ts';
import { topicNames } from './topics.ts';
import { KAFKA_LIMITS, type Trigger } from './triggers.ts';
import type { EnvKey } from './variables.ts';

interface Program {
  readonly about: string;
  /** The module that is bundled, from the root of the repository. */
  readonly entry: string;
  readonly env: readonly EnvKey[];
  readonly can: readonly Capability[];
  /** Bundled beside `index.mjs`. */
  readonly beside: readonly ('evaluator' | 'migrations' | 'cache' | 'kafka')[];
  /** Of `index.mjs`, without its source map. */
  readonly maxBundleBytes: number;
}

export interface FunctionSpec extends Program {
  readonly triggers: readonly Trigger[];
  readonly memoryMb: number;
  readonly timeoutSeconds: number;
  /** Executions at a time that are kept for it and that it may not pass; null: the account's. */
  readonly reservedConcurrency: number | null;
  /** On the hot path of a caller: kept warm where the stage pays for it. */
  readonly keptWarm: boolean;
  /** It gives up waiting for the database itself, after so long. Absent: it waits as the proxy lets it. */
  readonly databaseWaitSeconds?: number;
  /** Default: none. */
  readonly layers?: readonly LayerName[];
  /** In the region that waits to take over, where a stage has one. Absent: where the platform serves. */
  readonly runsIn?: 'standby';
}

export interface ContainerSpec extends Program {
  /** Between SIGTERM and SIGKILL; Fargate allows no more than 120. */
  readonly stopSeconds: number;
  /** Of those, how long calls under way may take to end; the rest is for closing in order. */
  readonly drainSeconds: number;
}

/** All functions alike, so that nobody chooses by accident. */
export const FUNCTION_DEFAULTS = {
  runtime: 'nodejs24.x',
  architecture: 'arm64',
  handler: 'index.handler',
  tracing: true,
} as const;

const API_CAN = [
  'postgres:cloudflow_app',
  'postgres:cloudflow_login',
  'secrets:cursor-key',
] as const;
const RUNNER_CAN = [
  'postgres:cloudflow_app',
  'postgres:cloudflow_engine',
  'secrets:tenants:read',
  'queue:step-functions-nudges:send',
  'egress:internet',
] as const;
const DRIVER_CAN = [
  'postgres:cloudflow_app',
  'postgres:cloudflow_engine',
  'states:register',
  'states:run',
  'states:answer',
] as const;

const OPERATIONS_CAN = [
  'recovery:documents',
  'recovery:announce',
  'recovery:integrity',
  'recovery:answer',
] as const;

const MEGABYTE = 1_000_000;

/** What reads a topic: a part of ours that is away is waited for, so nothing is given up by Lambda itself. */
const consumer = <Name extends ConsumerName>(name: Name) =>
  ({
    about: CONSUMERS[name].about,
    entry: `functions/${name}/main.ts`,
    triggers: [
      {
        kind: 'kafka',
        topic: CONSUMERS[name].topic,
        group: CONSUMERS[name].group,
        batchSize: KAFKA_LIMITS.batchSize,
        pollers: { least: 1, most: 4 },
        deadLetters: null,
      },
    ],
    env: FUNCTION_ENV[name],
    can: ['postgres:cloudflow_relay'],
    beside: [],
    memoryMb: 512,
    timeoutSeconds: 300,
    reservedConcurrency: null,
    keptWarm: false,
    maxBundleBytes: MEGABYTE,
  }) as const satisfies FunctionSpec;

const RELAY_CAN = topicNames.map((topic) => `kafka:${topic}:publish` as const);

const HTTP_SECONDS = TIME_LIMITS.function / 1_000;

export const FUNCTIONS = {
  'workflows-api': {
    about: 'definitions of workflows and their versions',
    entry: 'functions/workflows/main.ts',
    triggers: [{ kind: 'http', tags: ['workflows'] }],
    env: FUNCTION_ENV['workflows-api'],
    can: [...API_CAN, 'cache'],
    beside: ['cache'],
    memoryMb: 1_024,
    timeoutSeconds: HTTP_SECONDS,
    reservedConcurrency: null,
    keptWarm: true,
    maxBundleBytes: MEGABYTE,
  },
  'executions-api': {
    about: 'starting, watching and operating executions; approvals, callbacks and dead letters',
    entry: 'functions/executions/main.ts',
    triggers: [{ kind: 'http', tags: ['executions', 'approvals', 'callbacks', 'dead-letters'] }],
    env: FUNCTION_ENV['executions-api'],
    can: [
      ...API_CAN,
      'cache',
      'queue:step-functions-nudges:send',
      'kafka:workflow.commands:publish',
      'kafka:workflow.replies:watch',
    ],
    beside: ['cache', 'kafka'],
    memoryMb: 1_024,
    timeoutSeconds: HTTP_SECONDS,
    reservedConcurrency: null,
    keptWarm: true,
    maxBundleBytes: MEGABYTE,
  },
  'connections-api': {
    about: 'connections to other systems, their operations and secrets',
    entry: 'functions/connections/main.ts',
    triggers: [{ kind: 'http', tags: ['connections'] }],
    env: FUNCTION_ENV['connections-api'],
    can: [...API_CAN, 'cache', 'secrets:tenants:write'],
    beside: ['cache'],
    memoryMb: 512,
    timeoutSeconds: HTTP_SECONDS,
    reservedConcurrency: null,
    keptWarm: false,
    maxBundleBytes: MEGABYTE,
  },
  'identity-api': {
    about: 'signing in, sessions, users, roles, tenants and API keys; who did what',
    entry: 'functions/identity/main.ts',
    triggers: [
      {
        kind: 'http',
        tags: ['auth', 'users', 'roles', 'tenants', 'api-keys', 'sessions', 'audit'],
      },
    ],
    env: FUNCTION_ENV['identity-api'],
    can: [...API_CAN, 'cache', 'secrets:identity-key', 'signing-keys:open', 'records'],
    beside: ['cache'],
    // One hash of a password takes a whole core and 64 MiB: this much memory is one core.
    memoryMb: 1_769,
    timeoutSeconds: HTTP_SECONDS,
    // A flood of sign-ins must not take the concurrency of the account.
    reservedConcurrency: 50,
    keptWarm: true,
    layers: ['argon2'],
    maxBundleBytes: MEGABYTE,
  },
  'sso-api': {
    about: 'signing in elsewhere, and which identity providers are asked',
    entry: 'functions/sso/main.ts',
    triggers: [{ kind: 'http', tags: ['sso', 'identity-providers'] }],
    env: FUNCTION_ENV['sso-api'],
    can: [
      ...API_CAN,
      'cache',
      'secrets:identity-key',
      'signing-keys:open',
      'secrets:tenants:read',
      'secrets:tenants:write',
      'egress:internet',
    ],
    beside: ['cache'],
    memoryMb: 1_024,
    timeoutSeconds: HTTP_SECONDS,
    // Public, and it waits for others: a flood of it must not take the concurrency of the account.
    reservedConcurrency: 50,
    keptWarm: false,
    maxBundleBytes: MEGABYTE,
  },
  'saml-api': {
    about: 'answers of identity providers of SAML, which browsers post',
    entry: 'functions/saml/main.ts',
    triggers: [{ kind: 'http', tags: ['saml'] }],
    env: FUNCTION_ENV['saml-api'],
    can: [...API_CAN, 'secrets:identity-key', 'records'],
    beside: [],
    memoryMb: 1_024,
    timeoutSeconds: HTTP_SECONDS,
    // Public, and verifying what strangers post costs processor time: a flood of it must not take the account's.
    reservedConcurrency: 20,
    keptWarm: false,
    maxBundleBytes: MEGABYTE,
  },
  'platform-api': {
    about: 'health, readiness, the schema of definitions and the description of the API',
    entry: 'functions/platform/main.ts',
    triggers: [{ kind: 'http', tags: ['platform'] }],
    env: FUNCTION_ENV['platform-api'],
    can: API_CAN,
    beside: [],
    memoryMb: 512,
    timeoutSeconds: HTTP_SECONDS,
    // Public and without a caller to throttle: a flood of it must not take the others' share.
    reservedConcurrency: 20,
    keptWarm: false,
    maxBundleBytes: MEGABYTE,
  },
  realtime: {
    about: 'WebSockets: who may connect, who is connected, and what they say',
    entry: 'functions/realtime/main.ts',
    triggers: [{ kind: 'socket' }],
    env: FUNCTION_ENV.realtime,
    can: ['postgres:cloudflow_app', 'postgres:cloudflow_login', 'records', 'sockets:manage'],
    beside: [],
    memoryMb: 512,
    timeoutSeconds: HTTP_SECONDS,
    // Strangers may ask to connect: a flood of them must not take the others' share.
    reservedConcurrency: 50,
    keptWarm: false,
    maxBundleBytes: MEGABYTE,
  },
  authorizer: {
    about: 'tells API Gateway whether anybody we know calls, so that junk starts nothing else',
    entry: 'functions/authorizer/main.ts',
    triggers: [{ kind: 'authorizer', keptSeconds: 60 }],
    env: FUNCTION_ENV.authorizer,
    can: ['postgres:cloudflow_app', 'postgres:cloudflow_login'],
    beside: [],
    memoryMb: 512,
    timeoutSeconds: 5,
    databaseWaitSeconds: 3,
    // A flood of made-up keys takes these and no function of the API.
    reservedConcurrency: 20,
    keptWarm: true,
    maxBundleBytes: MEGABYTE,
  },
  'step-runner': {
    about: 'the work of steps on Step Functions',
    entry: 'functions/step-runner/main.ts',
    triggers: [{ kind: 'machine-task' }],
    env: FUNCTION_ENV['step-runner'],
    can: RUNNER_CAN,
    beside: ['evaluator'],
    memoryMb: 1_769,
    // A connector may take 14 minutes.
    timeoutSeconds: 900,
    reservedConcurrency: null,
    keptWarm: true,
    maxBundleBytes: 2 * MEGABYTE,
  },
  'step-functions-driver': {
    about: 'starts machines, hands answers to their tasks, and finds ends that nobody reported',
    entry: 'functions/step-functions-driver/main.ts',
    triggers: [
      { kind: 'schedule', everyMinutes: 1 },
      { kind: 'queue', queue: 'step-functions-nudges', batchSize: 100, maxConcurrency: 2 },
    ],
    env: FUNCTION_ENV['step-functions-driver'],
    can: [...RUNNER_CAN, ...DRIVER_CAN],
    beside: ['evaluator'],
    memoryMb: 1_769,
    timeoutSeconds: 60,
    reservedConcurrency: 4,
    keptWarm: false,
    maxBundleBytes: 2 * MEGABYTE,
  },
  'state-changed': {
    about: 'records the end of one machine that its last task could not report',
    entry: 'functions/state-changed/main.ts',
    triggers: [{ kind: 'machine-status', statuses: ['FAILED', 'TIMED_OUT', 'ABORTED'] }],
    env: FUNCTION_ENV['state-changed'],
    can: [...RUNNER_CAN, ...DRIVER_CAN],
    beside: ['evaluator'],
    memoryMb: 1_024,
    timeoutSeconds: 60,
    reservedConcurrency: 20,
    keptWarm: false,
    maxBundleBytes: 2 * MEGABYTE,
  },
  measure: {
    about: 'measures what waits in the database, which no program sees by itself',
    entry: 'functions/measure/main.ts',
    triggers: [{ kind: 'schedule', everyMinutes: 1 }],
    env: FUNCTION_ENV.measure,
    can: ['postgres:cloudflow_engine', 'postgres:cloudflow_relay'],
    beside: [],
    memoryMb: 512,
    timeoutSeconds: 30,
    reservedConcurrency: 1,
    keptWarm: false,
    maxBundleBytes: MEGABYTE,
  },
  'collect-machines': {
    about: 'deletes machines of workflows that nobody has started for long',
    entry: 'functions/collect-machines/main.ts',
    triggers: [{ kind: 'schedule', everyMinutes: 1_440 }],
    env: FUNCTION_ENV['collect-machines'],
    can: ['states:collect'],
    beside: [],
    memoryMb: 512,
    timeoutSeconds: 900,
    reservedConcurrency: 1,
    keptWarm: false,
    maxBundleBytes: 2 * MEGABYTE,
  },
  migrate: {
    about: 'brings the schema forward, and gives the roles their logins',
    entry: 'functions/migrate/main.ts',
    triggers: [{ kind: 'deploy', order: 1 }],
    env: FUNCTION_ENV.migrate,
    can: ['postgres:owner'],
    beside: ['migrations'],
    memoryMb: 512,
    timeoutSeconds: 900,
    reservedConcurrency: 1,
    keptWarm: false,
    maxBundleBytes: MEGABYTE,
  },
  partitions: {
    about: 'makes partitions months ahead, and deletes rows that nothing can ask for any more',
    entry: 'functions/partitions/main.ts',
    triggers: [
      { kind: 'schedule', everyMinutes: 720 },
      { kind: 'deploy', order: 2 },
    ],
    env: FUNCTION_ENV.partitions,
    can: ['postgres:cloudflow_engine', 'postgres:cloudflow_relay'],
    beside: [],
    memoryMb: 512,
    timeoutSeconds: 300,
    reservedConcurrency: 1,
    keptWarm: false,
    maxBundleBytes: MEGABYTE,
  },
  'collect-secrets': {
    about:
      'deletes secrets that no connection names any more, and tells of those not changed for long',
    entry: 'functions/collect-secrets/main.ts',
    triggers: [{ kind: 'schedule', everyMinutes: 60 }],
    env: FUNCTION_ENV['collect-secrets'],
    can: ['postgres:cloudflow_relay', 'secrets:tenants:delete'],
    beside: [],
    memoryMb: 512,
    timeoutSeconds: 300,
    reservedConcurrency: 1,
    keptWarm: false,
    maxBundleBytes: MEGABYTE,
  },
  integrity: {
    about: 'holds executions against their logs, in the database or in a copy that was restored',
    entry: 'functions/integrity/main.ts',
    triggers: [{ kind: 'schedule', everyMinutes: 1_440 }, { kind: 'operation' }],
    env: FUNCTION_ENV.integrity,
    can: ['postgres:cloudflow_auditor'],
    beside: [],
    memoryMb: 1_024,
    timeoutSeconds: 900,
    reservedConcurrency: 2,
    keptWarm: false,
    maxBundleBytes: MEGABYTE,
  },
  analytics: consumer('analytics'),
  billing: consumer('billing'),
  'audit-events': consumer('audit-events'),
  'cache-invalidation': {
    ...consumer('cache-invalidation'),
    can: ['postgres:cloudflow_relay', 'cache'],
    beside: ['cache'],
  },
  mail: { ...consumer('mail'), can: ['postgres:cloudflow_relay', 'mail:send'] },
  'dead-letters': consumer('dead-letters'),
  'warm-caches': {
    about: 'writes into the cache what is started most',
    entry: 'functions/warm-caches/main.ts',
    triggers: [{ kind: 'schedule', everyMinutes: 60 }],
    env: FUNCTION_ENV['warm-caches'],
    can: ['postgres:cloudflow_app', 'postgres:cloudflow_relay', 'cache', 'secrets:cursor-key'],
    beside: ['cache'],
    memoryMb: 512,
    timeoutSeconds: 300,
    reservedConcurrency: 1,
    keptWarm: false,
    maxBundleBytes: MEGABYTE,
  },
  'audit-sealer': {
    about: 'takes what the audit trail was told into its chains, and signs their ends',
    entry: 'functions/audit-sealer/main.ts',
    triggers: [{ kind: 'schedule', everyMinutes: 1 }],
    env: FUNCTION_ENV['audit-sealer'],
    can: ['postgres:cloudflow_relay', 'signing-keys:open', 'bucket:audit:write'],
    beside: [],
    memoryMb: 1_024,
    timeoutSeconds: 300,
    reservedConcurrency: 1,
    keptWarm: false,
    maxBundleBytes: MEGABYTE,
  },
  'make-tenant': {
    about: 'makes a tenant and its first owner, for whoever operates the platform',
    entry: 'functions/make-tenant/main.ts',
    triggers: [{ kind: 'operation' }],
    env: FUNCTION_ENV['make-tenant'],
    can: ['postgres:cloudflow_app', 'postgres:cloudflow_relay'],
    beside: [],
    memoryMb: 512,
    timeoutSeconds: 30,
    reservedConcurrency: 1,
    keptWarm: false,
    maxBundleBytes: MEGABYTE,
  },
  'signing-keys': {
    about:
      'makes the next key that signs tokens in time, and deletes those whose tokens have expired',
    entry: 'functions/signing-keys/main.ts',
    triggers: [
      { kind: 'schedule', everyMinutes: 1_440 },
      { kind: 'deploy', order: 3 },
    ],
    env: FUNCTION_ENV['signing-keys'],
    can: ['postgres:cloudflow_relay', 'signing-keys:make'],
    beside: [],
    memoryMb: 512,
    timeoutSeconds: 60,
    reservedConcurrency: 1,
    keptWarm: false,
    maxBundleBytes: MEGABYTE,
  },
  'platform-keys': {
    about: 'makes the next key of cursors and of identity in time, beside those that are in use',
    entry: 'functions/platform-keys/main.ts',
    triggers: [
      // Twice a day, so that a day in which nobody counted is no accident of the clock.
      { kind: 'schedule', everyMinutes: 720 },
      // And when it is deployed, so that the alarm that hears its silence finds a number from the first minute.
      { kind: 'deploy', order: 4, atHome: true },
    ],
    env: FUNCTION_ENV['platform-keys'],
    can: ['secrets:platform-keys:turn'],
    beside: [],
    memoryMb: 512,
    timeoutSeconds: 60,
    // Nobody writes between its reading and its writing.
    reservedConcurrency: 1,
    keptWarm: false,
    maxBundleBytes: MEGABYTE,
  },
  operations: {
    about:
      'what the platform does to itself where it serves: copies of the database, inventories, reports',
    entry: 'functions/operations/main.ts',
    triggers: [{ kind: 'platform-task' }],
    env: FUNCTION_ENV.operations,
    can: [
      ...OPERATIONS_CAN,
      'recovery:backups',
      'recovery:databases',
      'recovery:copies',
      'recovery:archives',
      'recovery:measures',
      'recovery:secret-names',
      'recovery:topics',
    ],
    beside: [],
    memoryMb: 1_024,
    timeoutSeconds: 900,
    reservedConcurrency: null,
    keptWarm: false,
    maxBundleBytes: 3 * MEGABYTE,
  },
  takeover: {
    about: 'what the region that waits does in order to take over',
    entry: 'functions/takeover/main.ts',
    triggers: [{ kind: 'platform-task' }],
    env: FUNCTION_ENV.takeover,
    can: [
      ...OPERATIONS_CAN,
      'recovery:databases',
      'takeover:database',
      'takeover:name',
      'takeover:engine',
    ],
    beside: [],
    memoryMb: 1_024,
    timeoutSeconds: 900,
    reservedConcurrency: null,
    keptWarm: false,
    maxBundleBytes: 3 * MEGABYTE,
    runsIn: 'standby',
  },
  'standby-integrity': {
    about: 'holds executions against their logs in the database that took over',
    entry: 'functions/standby-integrity/main.ts',
    triggers: [{ kind: 'operation' }],
    env: FUNCTION_ENV['standby-integrity'],
    can: ['postgres:cloudflow_auditor'],
    beside: [],
    memoryMb: 1_024,
    timeoutSeconds: 900,
    reservedConcurrency: null,
    keptWarm: false,
    maxBundleBytes: MEGABYTE,
    runsIn: 'standby',
  },
  probe: {
    about: 'asks from the region that waits whether the one that serves answers',
    entry: 'functions/probe/main.ts',
    triggers: [{ kind: 'watch', everyMinutes: 1 }],
    env: FUNCTION_ENV.probe,
    can: [],
    beside: [],
    memoryMb: 512,
    // The next one begins after a minute.
    timeoutSeconds: 59,
    reservedConcurrency: null,
    keptWarm: false,
    maxBundleBytes: MEGABYTE,
    runsIn: 'standby',
  },
} as const satisfies Record<string, FunctionSpec>;

const ENGINE = { stopSeconds: 110, drainSeconds: 90, maxBundleBytes: 3 * MEGABYTE } as const;

export const CONTAINERS = {
  engine: {
    about: 'the hot path: executions on the engine',
    entry: 'bin/engine.ts',
    env: CONTAINER_ENV.engine,
    can: [
      ...RUNNER_CAN,
      'postgres:cloudflow_relay',
      ...RELAY_CAN,
      'kafka:workflow.commands:consume',
    ],
    beside: ['evaluator'],
    ...ENGINE,
  },
  'engine-and-readers': {
    about: 'the hot path, and the readers of events beside it: where a stage has no Kafka',
    entry: 'bin/engine-and-readers.ts',
    env: CONTAINER_ENV['engine-and-readers'],
    can: [...RUNNER_CAN, 'postgres:cloudflow_relay', 'cache', 'mail:send'],
    beside: ['evaluator', 'cache'],
    ...ENGINE,
  },
} as const satisfies Record<string, ContainerSpec>;

export const PROGRAMS = { ...FUNCTIONS, ...CONTAINERS } as const;

export type FunctionName = keyof typeof FUNCTIONS;
export type ContainerName = keyof typeof CONTAINERS;
export type ProgramName = FunctionName | ContainerName;

export const functionNames = Object.keys(FUNCTIONS) as FunctionName[];

/** Whether a stage has what a function needs: a region that waits, or topics that it reads. */
interface Has {
  readonly standby: unknown;
  readonly events: unknown;
}

/** Functions of a stage. */
export function functionsOf({ standby, events }: Has): FunctionName[] {
  return functionNames.filter((name) => {
    const { runsIn, triggers } = functionSpec(name);
    if (runsIn !== undefined) return standby !== null;
    return events !== null || !triggers.some(({ kind }) => kind === 'kafka');
  });
}

/** Those where the platform serves. */
export function homeFunctionsOf(has: Pick<Has, 'events'>): FunctionName[] {
  return functionsOf({ ...has, standby: null });
}

/** What runs the engine: without Kafka it reads events besides, for there are no functions that do. */
export function engineOf({ events }: Pick<Has, 'events'>): ContainerName {
  return events === null ? 'engine-and-readers' : 'engine';
}
export const programNames = Object.keys(PROGRAMS) as ProgramName[];

/** Functions that a kind of trigger starts. */
export type StartedBy<Kind extends Trigger['kind']> = {
  [Name in FunctionName]: Kind extends (typeof FUNCTIONS)[Name]['triggers'][number]['kind']
    ? Name
    : never;
}[FunctionName];

/** The function without the narrow type of its entry. */
export function functionSpec(name: FunctionName): FunctionSpec {
  return FUNCTIONS[name];
}
