/** Lists of AWS come in pages: nothing of a later one may be missed, and a list without an end is a fault. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { BackupClient } from '@aws-sdk/client-backup';
import { KafkaClient } from '@aws-sdk/client-kafka';
import { RDSClient } from '@aws-sdk/client-rds';
import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createBackups } from '#adapters/backup/backups.ts';
import { createTopicInventory } from '#adapters/kafka/topic-inventory.ts';
import { createRdsClusters } from '#adapters/rds/clusters.ts';
import { createSecretInventory } from '#adapters/secretsmanager/inventory.ts';

let server: Server;
let endpoint = '';
/** Answers the n-th request of a test. */
let answer: (nth: number, asked: string) => string = () => '{}';
let asked: string[] = [];
beforeAll(async () => {
  server = createServer(async (request, response) => {
    let body = '';
    for await (const part of request as AsyncIterable<Buffer>) body += part.toString('utf8');
    asked.push(`${request.url} ${body}`);
    response.end(answer(asked.length, `${request.url} ${body}`));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => void server.close());

const client = () => ({
  endpoint,
  region: 'us-east-1',
  credentials: { accessKeyId: 'nobody', secretAccessKey: 'nothing' },
  maxAttempts: 1,
});
const from = (answers: typeof answer): void => {
  asked = [];
  answer = answers;
};

describe('the newest backup', () => {
  const point = (id: string, at: number, Status = 'COMPLETED') => ({
    RecoveryPointArn: `arn:aws:rds:us-east-1:1:cluster-snapshot:${id}`,
    CreationDate: at,
    Status,
  });
  it('is found on whatever page it is, and is none that is incomplete or of another kind', async () => {
    from((nth) =>
      JSON.stringify(
        nth === 1
          ? { RecoveryPoints: [point('a', 5), point('b', 9, 'PARTIAL')], NextToken: 'more' }
          : {
              RecoveryPoints: [
                point('c', 7),
                {
                  ...point('d', 8),
                  RecoveryPointArn: 'arn:aws:backup:us-east-1:1:recovery-point:d',
                },
              ],
            },
      ),
    );
    const latest = await createBackups(new BackupClient(client())).latest('v');
    expect(latest).toEqual({ id: 'arn:aws:rds:us-east-1:1:cluster-snapshot:c', at: 7_000 });
    expect(asked[1]).toContain('nextToken=more');
  });

  it('is none in an empty vault', async () => {
    from(() => JSON.stringify({ RecoveryPoints: [] }));
    expect(await createBackups(new BackupClient(client())).latest('v')).toBeNull();
  });
});

describe('secrets', () => {
  const list = () => createSecretInventory(new SecretsManagerClient(client())).list('cloudflow/');
  it('are listed to the end', async () => {
    from((nth) =>
      JSON.stringify({ SecretList: [{ Name: `s${nth}` }], ...(nth < 3 ? { NextToken: 'n' } : {}) }),
    );
    expect((await list()).map(({ name }) => name)).toEqual(['s1', 's2', 's3']);
  });
});

describe('topics', () => {
  const list = () => createTopicInventory(new KafkaClient(client())).list('arn:cluster');
  it('are listed to the end, each with its settings', async () => {
    from((nth, what) =>
      JSON.stringify(
        /topics\/./.test(what)
          ? { partitionCount: 8, replicationFactor: 3, configs: 'eyJhIjoiMSJ9' }
          : { topics: [{ topicName: `t${nth}` }], ...(nth === 1 ? { nextToken: 'n' } : {}) },
      ),
    );
    expect(await list()).toEqual([
      { name: 't1', partitions: 8, replicas: 3, settings: { a: '1' } },
      { name: 't3', partitions: 8, replicas: 3, settings: { a: '1' } },
    ]);
  });

  it('that never end are a failure', async () => {
    from(() => JSON.stringify({ topics: [], nextToken: 'n' }));
    await expect(list()).rejects.toMatchObject({ error: { code: 'CloudFlow.OutputTooLarge' } });
  });
});

describe('clusters', () => {
  it('are looked for by their beginning, through all pages', async () => {
    from((nth, what) => {
      const name = what.includes('DescribeDBInstances')
        ? 'DescribeDBInstances'
        : 'DescribeDBClusters';
      const found =
        name === 'DescribeDBInstances'
          ? '<DBInstances/>'
          : `<DBClusters><DBCluster><DBClusterIdentifier>copy-${nth}</DBClusterIdentifier></DBCluster><DBCluster><DBClusterIdentifier>other-${nth}</DBClusterIdentifier></DBCluster></DBClusters>${nth === 1 ? '<Marker>m</Marker>' : ''}`;
      return `<${name}Response xmlns="http://rds.amazonaws.com/doc/2014-10-31/"><${name}Result>${found}</${name}Result></${name}Response>`;
    });
    const found = await createRdsClusters(new RDSClient(client())).list('copy-');
    expect(found.map(({ id }) => id)).toEqual(['copy-1', 'copy-2']);
    expect(asked[1]).toContain('Marker=m');
  });
});
