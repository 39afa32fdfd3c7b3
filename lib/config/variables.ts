/**
 * Every variable that a program of ours may be told by its environment, and what it means. None holds
 * a secret: where one is needed, the variable names where it is kept. Any of them may be empty text
 * only where it says so.
 */
export const VARIABLES = {
  STAGE: 'dev, staging or prod',
  DATABASE_URL:
    'host, port and database, with sslmode; with DATABASE_AUTH=url also a login that may become each role',
  DATABASE_READER_URL:
    'as DATABASE_URL, of readers that may lag behind it; empty: there are none, and the writer answers all',
  DATABASE_AUTH:
    'iam: log in as each role with a token signed by IAM; url: as the URL says (local stacks and tests)',
  DATABASE_OWNER_SECRET: 'id of the secret with username and password of the owner of the schema',
  CURSOR_KEY_SECRET:
    'id of the secret with the keys of cursors, one for the API: a ring of keys of at least 32 bytes',
  IDENTITY_KEY_SECRET:
    'id of the secret that identity derives its keys from: a ring of keys of at least 32 bytes',
  TENANT_SECRETS_PREFIX: 'what names of tenants’ secrets begin with, without a slash at the end',
  TENANT_SECRETS_KEY: 'id of the KMS key of tenants’ secrets; empty: the account’s own',
  TENANT_SECRETS_COPY:
    'where copies of tenants’ secrets are kept: region and alias of its key, with a comma between; empty: nowhere',
  PUBLIC_URL: 'where the API is reached from outside: scheme and host, without a slash at the end',
  ALLOWED_ORIGINS: 'origins of web clients, separated by commas; may be empty',
  PREFERRED_RUNTIME: 'what auto means where both runtimes can do it: engine or step_functions',
  KAFKA_CLUSTER_ARN:
    'ARN of the cluster of MSK that events go to; empty: they stay in PostgreSQL, and are read there',
  NUDGES_QUEUE_URL: 'the queue that wakes the driver of Step Functions',
  STEP_RUNNER_ARN: 'ARN of the function that machines invoke, with its alias',
  MACHINE_ROLE_ARN: 'the role that machines of workflows run as',
  MACHINE_LOG_GROUP_ARN: 'where machines of workflows log to; empty: nowhere',
  MACHINE_PREFIX: 'what names of machines of workflows begin with, at most 32 characters',
  RECORDS_TABLE: 'the table of DynamoDB for small records; empty: they are kept in PostgreSQL',
  AUDIT_BUCKET:
    'the bucket that the chains of the audit trail and their signed ends are written to',
  CACHE_URL:
    'a node of the cache: rediss://host:port, or redis:// without TLS; empty: there is none',
  CACHE_AUTH:
    'iam: a cluster that is logged in to with a token signed by IAM; url: one server, as the URL says',
  SOCKETS_URL: 'where API Gateway is told what to send over WebSockets: https, host and stage',
  MAIL_FROM: 'the address that mail comes from; empty: the stage sends none',
  MAIL_CONFIGURATION_SET: 'by which rules SES sends it; empty only where MAIL_FROM is',
  SIGNING_SEAL_KEY: 'id of the KMS key under which keys that sign tokens are sealed',
  EGRESS_ALLOW: 'private host:port pairs that steps may reach, for development; may be empty',
  EGRESS_PORTS: 'ports for HTTP besides 80, 443 and 8443, separated by commas; may be empty',
  RECOVERY_FACTS: 'what operations must know of their region: JSON of HomeFacts or StandbyFacts',
  RECOVERY_BUCKET: 'where logs, reports and inventories of operations are kept',
  RECOVERY_TOPIC_ARN: 'who is told what operations found, and asked to approve',
  INTEGRITY_FUNCTION_ARN: 'the function that stands beside the database, with its alias',
  HEALTH_PORT: 'where the container answers GET /healthz',
} as const;

export type EnvKey = keyof typeof VARIABLES;

/** What Lambda and ECS set by themselves: no deployment may, and the AWS clients read it. */
export const PLATFORM_VARIABLES = ['AWS_REGION'] as const;
