/**
 * Kafka for the files that ask for it, stopped after their tests. Without Java, Maven or its registry these
 * suites skip loudly; with CLOUDFLOW_REQUIRE_SERVICES=1 the run fails instead.
 */
import { afterAll } from 'vitest';
import { describeIf, hasJava } from './java.ts';
import { type KafkaBroker, type KafkaCluster, startBrokers } from './kafka/brokers.ts';
import { type Jars, kafkaJars } from './kafka/jars.ts';

export type { KafkaBroker };

const jars: Jars = hasJava ? kafkaJars() : { missing: 'java in the PATH' };

/** `describe` for suites that need Kafka. */
export function describeWithKafka(name: string, body: () => void): void {
  describeIf('folder' in jars, 'missing' in jars ? jars.missing : 'Kafka', name, body);
}

const clusters: KafkaCluster[] = [];
afterAll(async () => {
  await Promise.all(clusters.splice(0).map((cluster) => cluster.close()));
});

/** Brokers that make no topic by themselves; ready when they answer. */
export async function startKafka(brokers: 1 | 3 = 1): Promise<readonly KafkaBroker[]> {
  if (!('folder' in jars)) throw new Error(`no Kafka: it needs ${jars.missing}`);
  const cluster = await startBrokers(jars.folder, brokers);
  clusters.push(cluster);
  return cluster.brokers;
}
