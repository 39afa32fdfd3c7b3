import { reconcileTopics } from '#adapters/kafka/topics.ts';
import { eventLogContract } from '#test/adapters/event-log/contract.ts';
import { openEventLog } from '#test/adapters/event-log/open.ts';
import { describeWithKafka, startKafka } from '#test/support/kafka.ts';

const PARTITIONS = 4;
let topics = 0;

eventLogContract(describeWithKafka, 'on Kafka', async () => {
  const brokers = (await startKafka()).map(({ address }) => address);
  const access = { brokers: async () => brokers, login: null, clientId: 'test' };
  const address = { kind: 'kafka', brokers } as const;
  return {
    address,
    partitions: PARTITIONS,
    open: () => openEventLog(address),
    async topic() {
      const name = `topic-${topics++}`;
      await reconcileTopics(access, [{ name, partitions: PARTITIONS, retentionDays: 1 }], {
        factor: 1,
        minInSync: 1,
      });
      return name;
    },
  };
});
