import { expect, it } from 'vitest';
import { answerKafka } from '#functions/shared/kafka-function.ts';
import type { LogBatch } from '#ports/event-log.ts';

const record = (partition: number, offset: number, value: string) => ({
  topic: 'workflow.events',
  partition,
  offset,
  timestamp: 1_793_606_400_000,
  key: Buffer.from('tenant-1:order').toString('base64'),
  value: Buffer.from(value).toString('base64'),
  // As AWS writes bytes: signed.
  headers: [{ tenant: [...Buffer.from('tenant-1')] }, { trace: [-61, -68] }] as Record<
    string,
    number[]
  >[],
});

it('readers get what Lambda hands over by partition, as the log itself would give it', async () => {
  const batches: LogBatch[] = [];
  const answer = await answerKafka(
    {
      records: {
        'workflow.events-0': [record(0, 7, '{"n":1}'), record(0, 8, '{"n":2}')],
        'workflow.events-11': [{ ...record(11, 3, 'x'), key: null, value: null, headers: [] }],
      },
    },
    async (batch) => {
      batches.push(batch);
      return batch.messages.length;
    },
  );
  expect(answer).toEqual({ batchItemFailures: [] });
  expect(batches).toEqual([
    {
      topic: 'workflow.events',
      partition: 0,
      messages: [1, 2].map((n) => ({
        tenant: 'tenant-1',
        key: 'order',
        value: `{"n":${n}}`,
        headers: { trace: 'ü' },
        offset: String(6 + n),
        at: 1_793_606_400_000,
      })),
    },
    {
      topic: 'workflow.events',
      partition: 11,
      messages: [
        { tenant: null, key: '', value: '', headers: {}, offset: '3', at: 1_793_606_400_000 },
      ],
    },
  ]);
});

it('partitions that could not be handled to their end are named with where to go on', async () => {
  const answer = await answerKafka(
    {
      records: {
        'workflow.events-0': [record(0, 7, 'a'), record(0, 8, 'b')],
        'workflow.events-1': [record(1, 4, 'a'), record(1, 5, 'b')],
        'workflow.events-2': [record(2, 1, 'a')],
      },
    },
    async ({ partition }) => [2, 1, 0][partition] ?? 0,
  );
  expect(answer).toEqual({
    batchItemFailures: [
      { itemIdentifier: { partition: 'workflow.events-1', offset: 5 } },
      { itemIdentifier: { partition: 'workflow.events-2', offset: 1 } },
    ],
  });
});
