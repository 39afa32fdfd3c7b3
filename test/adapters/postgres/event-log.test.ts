import { eventLogContract } from '#test/adapters/event-log/contract.ts';
import { openEventLog } from '#test/adapters/event-log/open.ts';
import { createTestDatabase, describeWithPostgres } from '#test/support/database.ts';

let topics = 0;

eventLogContract(describeWithPostgres, 'in PostgreSQL', async () => {
  const { url } = await createTestDatabase();
  const address = { kind: 'postgres', url } as const;
  return {
    address,
    partitions: 1,
    open: () => openEventLog(address),
    topic: async () => `topic-${topics++}`,
  };
});
