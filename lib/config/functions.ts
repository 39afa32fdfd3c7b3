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
  readonly beside: readonly ('evaluator' | 'migrations' | 'cache')[];
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

const DATABASE = ['DATABASE_URL', 'DATABASE_AUTH'] as const;
const API = [
  'STAGE',
  ...DATABASE,
  'CURSOR_KEY_SECRET',
  'PUBLIC_URL',
  'ALLOWED_ORIGINS',
  'PREFERRED_RUNTIME',
] as const;
/** Windows of rate limits that all processes share. */
const CACHE = ['CACHE_URL', 'CACHE_AUTH'] as const;
const TENANT_SECRETS = [
  'TENANT_SECRETS_PREFIX',
  'TENANT_SECRETS_KEY',
  'TENANT_SECRETS_COPY',
] as const;
const EGRESS = ['EGRESS_ALLOW', 'EGRESS_PORTS'] as const;
const MACHINES = [
  'STEP_RUNNER_ARN',
  'MACHINE_ROLE_ARN',
  'MACHINE_LOG_GROUP_ARN',
  'MACHINE_PREFIX',
] as const;
const RUNNER = [
  'STAGE',
  ...DATABASE,
  'PUBLIC_URL',
  ...TENANT_SECRETS,
  ...EGRESS,
  'NUDGES_QUEUE_URL',
] as const;

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

const OPERATIONS = [
  'STAGE',
  'RECOVERY_FACTS',
  'RECOVERY_BUCKET',
  'RECOVERY_TOPIC_ARN',
  'INTEGRITY_FUNCTION_ARN',
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
    env: ['STAGE', ...DATABASE],
    can: ['postgres:cloudflow_relay'],
    beside: [],
    memoryMb: 512,
    timeoutSeconds: 300,
    reservedConcurrency: null,
    keptWarm: false,
    maxBundleBytes: MEGABYTE,
  }) as const satisfies FunctionSpec;

const RELAY_CAN = topicNames.map((topic) => `kafka:${topic}:publish` as const);

/** Of functions that carry the language and the contract, which grows with every route. */
const MEBIBYTE = 1_048_576;
const HTTP_SECONDS = TIME_LIMITS.function / 1_000;

export const FUNCTIONS = {
  'workflows-api': {
    about: 'definitions of workflows and their versions',
    entry: 'functions/workflows/main.ts',
    triggers: [{ kind: 'http', tags: ['workflows'] }],
    env: [...API, ...CACHE, 'DATABASE_READER_URL'],
    can: [...API_CAN, 'cache'],
    beside: ['cache'],
    memoryMb: 1_024,
    timeoutSeconds: HTTP_SECONDS,
    reservedConcurrency: null,
    keptWarm: true,
    maxBundleBytes: MEBIBYTE,
  },
  'executions-api': {
    about: 'starting, watching and operating executions; approvals, callbacks and dead letters',
    entry: 'functions/executions/main.ts',
    triggers: [{ kind: 'http', tags: ['executions', 'approvals', 'callbacks', 'dead-letters'] }],
    env: [...API, ...CACHE, 'DATABASE_READER_URL', 'NUDGES_QUEUE_URL'],
    can: [...API_CAN, 'cache', 'queue:step-functions-nudges:send'],
    beside: ['cache'],
    memoryMb: 1_024,
    timeoutSeconds: HTTP_SECONDS,
    reservedConcurrency: null,
    keptWarm: true,
    maxBundleBytes: MEBIBYTE,
  },
  'connections-api': {
    about: 'connections to other systems, their operations and secrets',
    entry: 'functions/connections/main.ts',
    triggers: [{ kind: 'http', tags: ['connections'] }],
    env: [...API, ...CACHE, ...TENANT_SECRETS],
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
    env: [...API, ...CACHE, 'IDENTITY_KEY_SECRET', 'SIGNING_SEAL_KEY', 'RECORDS_TABLE'],
    can: [...API_CAN, 'cache', 'secrets:identity-key', 'signing-keys:open', 'records'],
    beside: ['cache'],
    // One hash of a password takes a whole core and 64 MiB: this much memory is one core.
    memoryMb: 1_769,
    timeoutSeconds: HTTP_SECONDS,
    // A flood of sign-ins must not take the concurrency of the account.
    reservedConcurrency: 50,
    keptWarm: true,
    layers: ['argon2'],
    maxBundleBytes: MEBIBYTE,
  },
  'sso-api': {
    about: 'signing in elsewhere, and which identity providers are asked',
    entry: 'functions/sso/main.ts',
    triggers: [{ kind: 'http', tags: ['sso', 'identity-providers'] }],
    env: [
      ...API,
      ...CACHE,
      'IDENTITY_KEY_SECRET',
      'SIGNING_SEAL_KEY',
      'RECORDS_TABLE',
      ...TENANT_SECRETS,
      ...EGRESS,
    ],
    can: [
      ...API_CAN,
      'cache',
      'secrets:identity-key',
      'signing-keys:open',
      'secrets:tenants:read',
      'secrets:tenants:write',
      'records',
      'egress:internet',
    ],
    beside: ['cache'],
    memoryMb: 1_024,
    timeoutSeconds: HTTP_SECONDS,
    // Public, and it waits for others: a flood of it must not take the concurrency of the account.
    reservedConcurrency: 50,
    keptWarm: false,
    maxBundleBytes: 2 * MEGABYTE,
  },
  'platform-api': {
    about: 'health, readiness, the schema of definitions and the description of the API',
    entry: 'functions/platform/main.ts',
    triggers: [{ kind: 'http', tags: ['platform'] }],
    env: API,
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
    env: ['STAGE', ...DATABASE, 'PUBLIC_URL', 'RECORDS_TABLE', 'SOCKETS_URL'],
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
    env: ['STAGE', ...DATABASE, 'PUBLIC_URL'],
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
    env: RUNNER,
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
    env: [...RUNNER, ...MACHINES],
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
    env: [...RUNNER, ...MACHINES],
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
    env: ['STAGE', ...DATABASE],
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
    env: ['STAGE', ...MACHINES],
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
    env: ['STAGE', 'DATABASE_URL', 'DATABASE_AUTH', 'DATABASE_OWNER_SECRET'],
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
    env: ['STAGE', ...DATABASE],
    can: ['postgres:cloudflow_engine', 'postgres:cloudflow_relay'],
    beside: [],
    memoryMb: 512,
    timeoutSeconds: 300,
    reservedConcurrency: 1,
    keptWarm: false,
    maxBundleBytes: MEGABYTE,
  },
  'collect-secrets': {
    about: 'deletes secrets that no connection names any more',
    entry: 'functions/collect-secrets/main.ts',
    triggers: [{ kind: 'schedule', everyMinutes: 60 }],
    env: ['STAGE', ...DATABASE, ...TENANT_SECRETS],
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
    env: ['STAGE', ...DATABASE],
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
  'dead-letters': consumer('dead-letters'),
  'audit-sealer': {
    about: 'takes what the audit trail was told into its chains, and signs their ends',
    entry: 'functions/audit-sealer/main.ts',
    triggers: [{ kind: 'schedule', everyMinutes: 1 }],
    env: ['STAGE', ...DATABASE, 'SIGNING_SEAL_KEY', 'AUDIT_BUCKET'],
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
    env: ['STAGE', ...DATABASE],
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
    env: ['STAGE', ...DATABASE, 'SIGNING_SEAL_KEY'],
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
    // Twice a day, so that a day in which nobody counted is no accident of the clock.
    triggers: [{ kind: 'schedule', everyMinutes: 720 }],
    env: ['STAGE', 'CURSOR_KEY_SECRET', 'IDENTITY_KEY_SECRET'],
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
    env: OPERATIONS,
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
    env: OPERATIONS,
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
    env: ['STAGE', ...DATABASE],
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
    env: ['STAGE', 'PUBLIC_URL'],
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

export const CONTAINERS = {
  engine: {
    about: 'the hot path: executions on the engine',
    entry: 'bin/engine.ts',
    env: [...RUNNER, 'HEALTH_PORT', 'KAFKA_CLUSTER_ARN'],
    can: [
      ...RUNNER_CAN,
      'postgres:cloudflow_relay',
      ...RELAY_CAN,
      'kafka:workflow.commands:consume',
    ],
    beside: ['evaluator'],
    stopSeconds: 110,
    drainSeconds: 90,
    maxBundleBytes: 3 * MEGABYTE,
  },
} as const satisfies Record<string, ContainerSpec>;

export const PROGRAMS = { ...FUNCTIONS, ...CONTAINERS } as const;

export type FunctionName = keyof typeof FUNCTIONS;
export type ContainerName = keyof typeof CONTAINERS;
export type ProgramName = FunctionName | ContainerName;

export const functionNames = Object.keys(FUNCTIONS) as FunctionName[];

/** Those where the platform serves. */
export const homeFunctionNames = functionNames.filter(
  (name) => functionSpec(name).runsIn === undefined,
);

/** Functions of a stage: those of the region that waits are only where there is one. */
export function functionsOf({ standby }: { readonly standby: unknown }): FunctionName[] {
  return standby === null ? homeFunctionNames : functionNames;
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
