/**
 * The keys of each program's environment: what a deployment must give, and what the program reads. Apart
 * from the rest of the registry (functions.ts), for this is what every program carries along.
 */
import type { EnvKey } from './variables.ts';

const DATABASE = ['DATABASE_URL', 'DATABASE_AUTH'] as const;
const API = [
  'STAGE',
  ...DATABASE,
  'CURSOR_KEY_SECRET',
  'PUBLIC_URL',
  'ALLOWED_ORIGINS',
  'PREFERRED_RUNTIME',
] as const;
/** What all processes share: windows of rate limits, and values that are kept. */
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

const OPERATIONS = [
  'STAGE',
  'RECOVERY_FACTS',
  'RECOVERY_BUCKET',
  'RECOVERY_TOPIC_ARN',
  'INTEGRITY_FUNCTION_ARN',
] as const;

const MAIL = ['MAIL_FROM', 'MAIL_CONFIGURATION_SET'] as const;

const EVENTS = ['STAGE', ...DATABASE] as const;

export const FUNCTION_ENV = {
  'workflows-api': [...API, ...CACHE, 'DATABASE_READER_URL'],
  'executions-api': [
    ...API,
    ...CACHE,
    'DATABASE_READER_URL',
    'NUDGES_QUEUE_URL',
    'KAFKA_CLUSTER_ARN',
  ],
  'connections-api': [...API, ...CACHE, ...TENANT_SECRETS],
  'identity-api': [...API, ...CACHE, 'IDENTITY_KEY_SECRET', 'SIGNING_SEAL_KEY', 'RECORDS_TABLE'],
  'sso-api': [
    ...API,
    ...CACHE,
    'IDENTITY_KEY_SECRET',
    'SIGNING_SEAL_KEY',
    ...TENANT_SECRETS,
    ...EGRESS,
  ],
  'saml-api': [...API, 'IDENTITY_KEY_SECRET', 'RECORDS_TABLE'],
  'platform-api': API,
  realtime: ['STAGE', ...DATABASE, 'PUBLIC_URL', 'RECORDS_TABLE', 'SOCKETS_URL'],
  authorizer: ['STAGE', ...DATABASE, 'PUBLIC_URL'],
  'step-runner': RUNNER,
  'step-functions-driver': [...RUNNER, ...MACHINES],
  'state-changed': [...RUNNER, ...MACHINES],
  measure: ['STAGE', ...DATABASE, 'KAFKA_CLUSTER_ARN'],
  'collect-machines': ['STAGE', ...MACHINES],
  migrate: ['STAGE', 'DATABASE_URL', 'DATABASE_AUTH', 'DATABASE_OWNER_SECRET'],
  partitions: ['STAGE', ...DATABASE, 'KAFKA_CLUSTER_ARN'],
  'collect-secrets': ['STAGE', ...DATABASE, ...TENANT_SECRETS],
  integrity: ['STAGE', ...DATABASE],
  analytics: EVENTS,
  billing: EVENTS,
  'audit-events': EVENTS,
  'cache-invalidation': [...EVENTS, ...CACHE],
  mail: [...EVENTS, 'PUBLIC_URL', ...MAIL],
  'dead-letters': EVENTS,
  'warm-caches': [...EVENTS, ...CACHE, 'CURSOR_KEY_SECRET'],
  'audit-sealer': ['STAGE', ...DATABASE, 'SIGNING_SEAL_KEY', 'AUDIT_BUCKET'],
  'make-tenant': ['STAGE', ...DATABASE],
  'signing-keys': ['STAGE', ...DATABASE, 'SIGNING_SEAL_KEY'],
  'platform-keys': ['STAGE', 'CURSOR_KEY_SECRET', 'IDENTITY_KEY_SECRET'],
  operations: OPERATIONS,
  takeover: OPERATIONS,
  'standby-integrity': ['STAGE', ...DATABASE],
  probe: ['STAGE', 'PUBLIC_URL'],
} as const satisfies Record<string, readonly EnvKey[]>;

export const CONTAINER_ENV = {
  engine: [...RUNNER, 'HEALTH_PORT', 'KAFKA_CLUSTER_ARN'],
  'engine-and-readers': [...RUNNER, 'HEALTH_PORT', ...CACHE, ...MAIL],
} as const satisfies Record<string, readonly EnvKey[]>;
