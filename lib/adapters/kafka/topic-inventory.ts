import { DescribeTopicCommand, type KafkaClient, ListTopicsCommand } from '@aws-sdk/client-kafka';
import { isJsonObject, type Json } from '#core/json.ts';
import { OperationFailure } from '#core/operation-failure.ts';
import type { TopicFacts, TopicInventory } from '#ports/recovery.ts';
import { asked } from '../aws/failure.ts';

const PAGE = 100;
const MOST_PAGES = 20;

/** Topics as MSK itself tells them: nobody has to reach a broker. */
export function createTopicInventory(client: KafkaClient): TopicInventory {
  async function describe(cluster: string, name: string): Promise<TopicFacts> {
    const topic = await asked('a topic', () =>
      client.send(new DescribeTopicCommand({ ClusterArn: cluster, TopicName: name })),
    );
    return {
      name,
      partitions: topic.PartitionCount ?? 0,
      replicas: topic.ReplicationFactor ?? 0,
      settings: settingsOf(topic.Configs),
    };
  }
  return {
    async list(cluster) {
      const topics: TopicFacts[] = [];
      let next: string | undefined;
      for (let page = 0; page < MOST_PAGES; page++) {
        const { Topics = [], NextToken } = await asked('topics', () =>
          client.send(
            new ListTopicsCommand({
              ClusterArn: cluster,
              MaxResults: PAGE,
              ...(next === undefined ? {} : { NextToken: next }),
            }),
          ),
        );
        // One after the other: MSK allows few of these a second.
        for (const { TopicName = '' } of Topics) topics.push(await describe(cluster, TopicName));
        if (NextToken === undefined) return topics;
        next = NextToken;
      }
      throw new OperationFailure('OutputTooLarge', `more than ${MOST_PAGES * PAGE} topics`);
    },
  };
}

/** Base64 of a JSON object of texts. */
function settingsOf(configs: string | undefined): { readonly [name: string]: string } {
  if (configs === undefined || configs === '') return {};
  const settings = JSON.parse(Buffer.from(configs, 'base64').toString('utf8')) as Json;
  if (!isJsonObject(settings)) {
    throw new OperationFailure('InvalidResponse', 'the settings of a topic are no object');
  }
  return Object.fromEntries(Object.entries(settings).map(([name, value]) => [name, String(value)]));
}
