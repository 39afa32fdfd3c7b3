/**
 * What programs ask outside themselves, each behind a circuit breaker: after so many failures in a row
 * nothing is asked of it for so long, and then one call tries. What steps call has breakers of its own, by
 * tenant and target (`adapters/breaker/outbound-gate.ts`); the database has pools, which give up by themselves.
 */
interface BreakerSpec {
  readonly about: string;
  /** The class of AWS's client that is behind it; null: none. */
  readonly client: string | null;
  /** Failures in a row that open it. */
  readonly failures: number;
  /** How long nothing is asked, in real milliseconds. */
  readonly openMs: number;
}

const aws = (client: string, about: string): BreakerSpec & { readonly client: string } => ({
  about,
  client,
  // Each has been tried several times by the client itself.
  failures: 5,
  openMs: 2_000,
});

export const BREAKERS = {
  cache: {
    about: 'windows of rate limits, and values that are kept',
    client: null,
    failures: 5,
    openMs: 1_000,
  },
  event_log: {
    about: 'topics of Kafka that are written',
    client: null,
    failures: 5,
    openMs: 2_000,
  },
  secrets: aws('SecretsManagerClient', 'secrets, of tenants and of the platform'),
  keys: aws('KMSClient', 'keys that seal keys'),
  states: aws('SFNClient', 'Step Functions'),
  queues: aws('SQSClient', 'queues between programs'),
  objects: aws('S3Client', 'buckets'),
  records: aws('DynamoDBClient', 'small records'),
  sockets: aws('ApiGatewayManagementApiClient', 'WebSockets that API Gateway holds'),
  announcements: aws('SNSClient', 'topics that tell operators'),
  mail: aws('SESv2Client', 'mail'),
  functions: aws('LambdaClient', 'functions that functions ask'),
  databases: aws('RDSClient', 'clusters of the database, as operations see them'),
  backups: aws('BackupClient', 'backups'),
  measures: aws('CloudWatchClient', 'what was measured'),
  brokers: aws('KafkaClient', 'where brokers of Kafka are, and their topics'),
  dns: aws('Route53Client', 'the name of the API'),
  services: aws('ECSClient', 'services of containers'),
  scaling: aws('ApplicationAutoScalingClient', 'how many of them there may be'),
} as const satisfies Record<string, BreakerSpec>;

export type BreakerName = keyof typeof BREAKERS;
export const breakerNames = Object.keys(BREAKERS) as BreakerName[];
