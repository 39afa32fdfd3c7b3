/**
 * Metrics that AWS measures of its services by itself, as far as alarms and dashboards of ours name
 * them: the dimensions are those that AWS publishes them with. A name that is not here does not
 * compile; what each means is in the documentation of its service.
 */
export const AWS_METRICS = {
  'AWS/ApiGateway': {
    dimensions: ['ApiName', 'Stage'],
    names: ['Count', '4XXError', '5XXError', 'Latency', 'IntegrationLatency'],
  },
  /** Of an API of WebSockets, which is told by its id alone. */
  'AWS/ApiGateway sockets': {
    dimensions: ['ApiId', 'Stage'],
    names: [
      'ConnectCount',
      'MessageCount',
      'ClientError',
      'IntegrationError',
      'ExecutionError',
      'IntegrationLatency',
    ],
  },
  'AWS/Lambda': {
    dimensions: ['FunctionName'],
    names: ['Invocations', 'Errors', 'Throttles', 'Duration', 'ConcurrentExecutions'],
  },
  'AWS/Usage': {
    dimensions: ['Class', 'Resource', 'Service', 'Type'],
    names: ['ResourceCount'],
  },
  'AWS/States': {
    dimensions: ['StateMachineArn'],
    names: ['ExecutionsFailed', 'ExecutionsTimedOut', 'ExecutionsAborted'],
  },
  /** Of what S3 copies from bucket to bucket. */
  'AWS/S3 copies': {
    dimensions: ['SourceBucket', 'DestinationBucket', 'RuleId'],
    names: [
      'BytesPendingReplication',
      'OperationsFailedReplication',
      'OperationsPendingReplication',
      'ReplicationLatency',
    ],
  },
  /** What became of mail, as the configuration set counts it. */
  'AWS/SES': {
    dimensions: ['ses:configuration-set'],
    names: ['Send', 'Bounce', 'Complaint'],
  },
  'AWS/SQS': {
    dimensions: ['QueueName'],
    names: ['ApproximateNumberOfMessagesVisible', 'ApproximateAgeOfOldestMessage'],
  },
  /** Of the instances of a cluster in one role: WRITER or READER. */
  'AWS/RDS': {
    dimensions: ['DBClusterIdentifier', 'Role'],
    names: [
      'CPUUtilization',
      'ACUUtilization',
      'DatabaseConnections',
      'FreeableMemory',
      'CommitLatency',
      'Deadlocks',
      'AuroraReplicaLag',
      'EngineUptime',
    ],
  },
  /** Of a cluster that follows another region, told in its own. */
  'AWS/RDS copy': {
    dimensions: ['DBClusterIdentifier'],
    names: ['AuroraGlobalDBReplicationLag'],
  },
  'AWS/RDS proxy': {
    dimensions: ['ProxyName'],
    names: [
      'ClientConnections',
      'DatabaseConnections',
      'DatabaseConnectionsCurrentlySessionPinned',
      'DatabaseConnectionsBorrowLatency',
    ],
  },
  'AWS/Logs': {
    dimensions: ['LogGroupName'],
    names: ['IncomingLogEvents'],
  },
  'AWS/Firehose': {
    dimensions: ['DeliveryStreamName'],
    names: ['DeliveryToS3.DataFreshness'],
  },
  /** Of one node. */
  'AWS/ElastiCache': {
    dimensions: ['CacheClusterId'],
    names: [
      'EngineCPUUtilization',
      'DatabaseMemoryUsagePercentage',
      'CacheHits',
      'CacheMisses',
      'Evictions',
      'CurrConnections',
    ],
  },
  'AWS/ECS': {
    dimensions: ['ClusterName', 'ServiceName'],
    names: ['CPUUtilization', 'MemoryUtilization'],
  },
  'ECS/ContainerInsights': {
    dimensions: ['ClusterName', 'ServiceName'],
    names: [
      'RunningTaskCount',
      'EphemeralStorageReserved',
      'EphemeralStorageUtilized',
      'RestartCount',
    ],
  },
  'AWS/Kafka': {
    dimensions: ['Cluster Name'],
    names: ['ActiveControllerCount', 'OfflinePartitionsCount', 'GlobalPartitionCount'],
  },
  'AWS/Kafka group': {
    dimensions: ['Cluster Name', 'Consumer Group', 'Topic'],
    names: ['EstimatedMaxTimeLag', 'SumOffsetLag'],
  },
  'AWS/Kafka broker': {
    dimensions: ['Cluster Name', 'Broker ID'],
    names: ['CpuIdle', 'CpuUser', 'KafkaDataLogsDiskUsed', 'BytesInPerSec', 'BytesOutPerSec'],
  },
} as const;

/** A namespace, or a namespace and which of its metrics: they differ in dimensions. */
export type AwsSource = keyof typeof AWS_METRICS;
export type AwsMetricName<S extends AwsSource> = (typeof AWS_METRICS)[S]['names'][number];
export type AwsDimensions<S extends AwsSource> = {
  readonly [D in (typeof AWS_METRICS)[S]['dimensions'][number]]: string;
};

export function namespaceOf(source: AwsSource): string {
  return source.split(' ')[0] ?? source;
}
