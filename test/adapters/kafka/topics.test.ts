import { Admin, ConfigResourceTypes } from '@platformatic/kafka';
import { beforeAll, expect, it } from 'vitest';
import type { KafkaAccess } from '#adapters/kafka/connection.ts';
import { reconcileTopics } from '#adapters/kafka/topics.ts';
import { describeWithKafka, startKafka } from '#test/support/kafka.ts';

const ONE = { factor: 1, minInSync: 1 };

describeWithKafka('reconciling topics', () => {
  let access: KafkaAccess;
  beforeAll(async () => {
    const brokers = (await startKafka()).map(({ address }) => address);
    access = { brokers: async () => brokers, login: null, clientId: 'test' };
  });

  async function seen(name: string): Promise<{ partitions: number; retentionMs: string | null }> {
    const admin = new Admin({
      clientId: 'looker',
      bootstrapBrokers: [...(await access.brokers())],
    });
    try {
      const { topics } = await admin.metadata({ topics: [name], forceUpdate: true });
      const [described] = await admin.describeConfigs({
        resources: [{ resourceType: ConfigResourceTypes.TOPIC, resourceName: name }],
      });
      const found = described?.configs.find((each) => each.name === 'retention.ms');
      return {
        partitions: topics.get(name)?.partitionsCount ?? 0,
        retentionMs: found?.value ?? null,
      };
    } finally {
      await admin.close();
    }
  }

  it('makes what is missing, changes what differs, and does nothing the second time', async () => {
    const first = [
      { name: 'a', partitions: 2, retentionDays: 1 },
      { name: 'b', partitions: 3, retentionDays: 7 },
    ];
    expect(await reconcileTopics(access, first, ONE)).toEqual({
      made: ['a', 'b'],
      grown: [],
      changed: [],
    });
    expect(await seen('b')).toEqual({ partitions: 3, retentionMs: '604800000' });
    expect(await reconcileTopics(access, first, ONE)).toEqual({ made: [], grown: [], changed: [] });
    const second = [
      { name: 'a', partitions: 4, retentionDays: 1 },
      { name: 'b', partitions: 3, retentionDays: 3 },
      { name: 'c', partitions: 1, retentionDays: 1 },
    ];
    expect(await reconcileTopics(access, second, ONE)).toEqual({
      made: ['c'],
      grown: ['a'],
      changed: ['b'],
    });
    expect(await seen('a')).toEqual({ partitions: 4, retentionMs: '86400000' });
    expect(await seen('b')).toEqual({ partitions: 3, retentionMs: '259200000' });
  });

  it('takes no partition away, and then changes nothing else either', async () => {
    await reconcileTopics(access, [{ name: 'wide', partitions: 4, retentionDays: 1 }], ONE);
    const wanted = [
      { name: 'never', partitions: 1, retentionDays: 1 },
      { name: 'wide', partitions: 2, retentionDays: 5 },
    ];
    await expect(reconcileTopics(access, wanted, ONE)).rejects.toThrow(
      'wide has 4 partitions and must have 2: partitions are never taken away; raise the number, or make a topic of another name',
    );
    expect(await seen('wide')).toEqual({ partitions: 4, retentionMs: '86400000' });
    await expect(seen('never')).rejects.toThrow();
  });
});
