/** Where the table comes from, and how far to trust it. */
export const PRICE_LIST = {
  region: 'us-east-1',
  on: '2026-11-22',
  source: 'list prices of AWS as its pages had them, from memory and not looked up',
  withinPercent: 20,
} as const;

/** Hours of a month as AWS counts them, and days. */
export const MONTH = { hours: 730, days: 30 } as const;

interface Price {
  readonly usd: number;
  readonly per: string;
}

/** What AWS asks for one of each: no free tier, no discount, no tax. */
export const PRICES = {
  'states.transition': { usd: 25 / 1e6, per: 'transition' },
  'lambda.request': { usd: 0.2 / 1e6, per: 'invocation' },
  'lambda.arm': { usd: 0.0000133334, per: 'GB-second' },
  'lambda.warm': { usd: 0.0000033334, per: 'GB-second kept warm' },
  'lambda.poller': { usd: 0.185, per: 'hour of a poller of Kafka' },
  'fargate.vcpu': { usd: 0.03238, per: 'hour of a vCPU, arm64' },
  'fargate.gb': { usd: 0.00356, per: 'GB-hour, arm64' },
  'fargate.vcpu.spot': { usd: 0.0097, per: 'hour of a spare vCPU, arm64' },
  'fargate.gb.spot': { usd: 0.00107, per: 'spare GB-hour, arm64' },
  'nat.hour': { usd: 0.045, per: 'hour of a NAT gateway' },
  'nat.gb': { usd: 0.045, per: 'GB through NAT' },
  'address.hour': { usd: 0.005, per: 'hour of a public IPv4 address' },
  'endpoint.hour': { usd: 0.01, per: 'hour of an endpoint in a zone' },
  'aurora.unit': { usd: 0.12, per: 'hour of a capacity unit' },
  'aurora.r7g.2xlarge.iopt': { usd: 1.44, per: 'hour of a db.r7g.2xlarge, I/O included' },
  'aurora.gb': { usd: 0.1, per: 'GB-month' },
  'aurora.gb.iopt': { usd: 0.225, per: 'GB-month, I/O included' },
  'backup.gb': { usd: 0.021, per: 'GB-month of a backup of Aurora' },
  'aurora.io': { usd: 0.2 / 1e6, per: 'read or write of a page' },
  'cache.t4g.micro': { usd: 0.0128, per: 'hour of a cache.t4g.micro, Valkey' },
  'cache.t4g.medium': { usd: 0.052, per: 'hour of a cache.t4g.medium, Valkey' },
  'cache.r7g.xlarge': { usd: 0.3496, per: 'hour of a cache.r7g.xlarge, Valkey' },
  'rdsproxy.unit': { usd: 0.015, per: 'hour of a vCPU or capacity unit behind the proxy' },
  'msk.kafka.t3.small': { usd: 0.0456, per: 'hour of a kafka.t3.small' },
  'msk.kafka.m7g.large': { usd: 0.204, per: 'hour of a kafka.m7g.large' },
  'msk.kafka.m7g.2xlarge': { usd: 0.816, per: 'hour of a kafka.m7g.2xlarge' },
  'msk.express.m7g.large': { usd: 0.408, per: 'hour of an express.m7g.large' },
  'msk.gb': { usd: 0.1, per: 'GB-month of topics' },
  'msk.express.in': { usd: 0.01, per: 'GB written to express brokers' },
  'apigateway.request.1': { usd: 3.5 / 1e6, per: 'request, of the first 333 million' },
  'apigateway.request.2': { usd: 2.8 / 1e6, per: 'request, of the next 667 million' },
  'apigateway.request.3': { usd: 2.38 / 1e6, per: 'request, beyond a thousand million' },
  'apigateway.message': { usd: 1 / 1e6, per: 'message of a WebSocket' },
  'apigateway.minute': { usd: 0.25 / 1e6, per: 'minute of an open WebSocket' },
  'waf.acl': { usd: 5, per: 'firewall and month' },
  'waf.rule': { usd: 1, per: 'rule and month' },
  'waf.request': { usd: 0.6 / 1e6, per: 'request looked at' },
  'kms.key': { usd: 1, per: 'key and month' },
  'kms.request': { usd: 0.03 / 1e4, per: 'request' },
  'secrets.secret': { usd: 0.4, per: 'secret and month' },
  's3.gb': { usd: 0.023, per: 'GB-month' },
  'dynamodb.write': { usd: 0.625 / 1e6, per: 'write, in each region' },
  'dynamodb.read': { usd: 0.125 / 1e6, per: 'read' },
  'sqs.request': { usd: 0.4 / 1e6, per: 'request' },
  'scheduler.invocation': { usd: 1 / 1e6, per: 'invocation' },
  'cloudwatch.alarm': { usd: 0.1, per: 'metric of an alarm and month' },
  'cloudwatch.fast-alarm': { usd: 0.3, per: 'metric of an alarm by the second and month' },
  'cloudwatch.composite': { usd: 0.5, per: 'composite alarm and month' },
  'cloudwatch.dashboard': { usd: 3, per: 'dashboard and month' },
  'cloudwatch.metric': { usd: 0.3, per: 'metric of ours and month' },
  'logs.in': { usd: 0.5, per: 'GB of logs taken in' },
  'logs.hide': { usd: 0.12, per: 'GB of logs looked through' },
  'logs.gb': { usd: 0.03, per: 'GB-month of logs' },
  'firehose.gb': { usd: 0.029, per: 'GB delivered' },
  'xray.trace': { usd: 5 / 1e6, per: 'trace recorded' },
  'ses.message': { usd: 0.1 / 1e3, per: 'message' },
  'ses.pool': { usd: 15, per: 'pool of own addresses and month' },
} as const satisfies Record<string, Price>;

export type PriceName = keyof typeof PRICES;
