/**
 * Every way that data takes between programs of the platform, and with the world: the oldest TLS that is
 * spoken there, and what sees to it. docs/transport.md is made of this table, and a test holds each
 * line to the templates or to the program that it names.
 */
export interface Hop {
  readonly least: '1.3' | '1.2' | 'none';
  /** What makes it so. */
  readonly by: string;
  /** Why not newer; absent where it is 1.3. */
  readonly since?: string;
}

/** Of the REST API itself and of its domain: a call by the domain is spoken to as the API says. */
export const API_SECURITY_POLICY = 'SecurityPolicy_TLS13_1_3_2025_09';
/** Whose name is asked for must be whose certificate is shown. */
export const API_ACCESS_MODE = 'STRICT';
/** Of Aurora, its standby and copies that are restored. */
export const DATABASE_LEAST_TLS = 'TLSv1.2';

export const HOPS = {
  'clients to the REST API': {
    least: '1.3',
    by: `security policy ${API_SECURITY_POLICY}, ${API_ACCESS_MODE}, of the API and of its domain`,
  },
  'clients to the WebSocket API': {
    least: '1.2',
    by: 'API Gateway, always',
    since: 'it has no other policy for WebSockets; clients that can speak 1.3',
  },
  'programs to Aurora and its proxy': {
    least: '1.2',
    by: `\`rds.force_ssl\`, \`ssl_min_protocol_version\` ${DATABASE_LEAST_TLS}, the proxy’s RequireTLS; programs verify certificate and name`,
    since: 'which TLS the proxy speaks to the cluster is nowhere promised; our programs speak 1.3',
  },
  'programs to Kafka, and between brokers': {
    least: '1.2',
    by: 'MSK: clients by TLS alone, brokers among themselves as well',
    since: 'MSK has no setting for the version',
  },
  'programs to the cache': {
    least: '1.2',
    by: 'ElastiCache: encryption in transit is required',
    since: 'ElastiCache has no setting for the version',
  },
  'programs and services to buckets': {
    least: '1.2',
    by: 'a policy of every bucket: no request without TLS, none older than 1.2',
    since: 'services of AWS write there too, and say only that they speak 1.2 or newer',
  },
  'programs to queues and topics': {
    least: '1.2',
    by: 'a policy of every queue and topic: no request without TLS; the version is of AWS’s endpoints',
    since: 'endpoints of AWS take 1.2 besides 1.3',
  },
  'programs to all else of AWS': {
    least: '1.2',
    by: 'Node and the endpoints of AWS',
    since: 'endpoints of AWS take 1.2 besides 1.3',
  },
  'mail to the world': {
    least: '1.2',
    by: 'SES: over TLS or not at all',
    since: 'it is what receivers of mail speak',
  },
  'steps to what workflows call': {
    least: '1.2',
    by: 'Node; a secret goes over no plain HTTP, and HTTPS is followed to no plain HTTP',
    since: 'tenants name the address; `http:` without secrets is theirs to choose',
  },
  'the engine’s health, and its traces to the agent beside it': {
    least: 'none',
    by: 'both are on the loopback of one task; no port of it is open',
    since: 'nothing leaves the machine',
  },
} as const satisfies Readonly<Record<string, Hop>>;

export type HopName = keyof typeof HOPS;
