/**
 * What asks over Kafka, built into a file of its own beside the functions that ask: its client is larger than
 * what is left of their megabyte, and most of their calls ask nothing.
 */
import { KafkaClient } from '@aws-sdk/client-kafka';
import { guarded } from '#adapters/aws/guarded.ts';
import { createMskLogin } from '#adapters/kafka/msk-login.ts';
import { createKafkaRequests } from '#adapters/kafka/requests.ts';
import { TIME_LIMITS } from '#config/time-limits.ts';
import type { Requests } from '#ports/requests.ts';
import type { Basics } from './process.ts';

/** Questions to a cluster of MSK, with a token of IAM; nothing is connected before the first. */
export function connectRequests(
  basics: Basics,
  env: { readonly KAFKA_CLUSTER_ARN: string },
): Requests {
  const login = createMskLogin({
    client: guarded('brokers', new KafkaClient({}), basics),
    clusterArn: env.KAFKA_CLUSTER_ARN,
  });
  return createKafkaRequests(
    { brokers: () => login.brokers(), login, clientId: `cloudflow-${basics.name}` },
    { ...basics, random: Math.random, timeoutMs: TIME_LIMITS.reply },
  );
}
