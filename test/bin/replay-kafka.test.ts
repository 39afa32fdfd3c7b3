import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, it, vi } from 'vitest';
import { createSystemClock } from '#adapters/local/system-clock.ts';
import { NO_METRICS } from '#ports/metrics.ts';
import { kafkaFor } from '../../bin/commands/replay.ts';

const DEPS = { clock: createSystemClock(), metrics: NO_METRICS };
const CLUSTER = 'arn:aws:kafka:eu-central-1:000000000000:cluster/cloudflow-dev/5b1f-3';

afterEach(() => vi.unstubAllEnvs());

it('the brokers that are named are entered without a login, before those of the local stack', async () => {
  expect(kafkaFor({}, '', DEPS)).toBeNull();
  const ofStack = kafkaFor({}, '127.0.0.1:9092', DEPS);
  expect(ofStack).toMatchObject({ login: null });
  expect(await ofStack?.brokers()).toEqual(['127.0.0.1:9092']);
  const named = kafkaFor({ KAFKA_BROKERS: 'a:1,b:2', KAFKA_CLUSTER_ARN: '' }, 'c:3', DEPS);
  expect(await named?.brokers()).toEqual(['a:1', 'b:2']);
});

it('a cluster of MSK is asked for its brokers and entered with a token for its region', async () => {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(decodeURIComponent(request.url ?? ''));
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ bootstrapBrokerStringSaslIam: 'b-1:9098,b-2:9098' }));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    vi.stubEnv('AWS_ACCESS_KEY_ID', 'AKIDNOBODY');
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'nothing');
    vi.stubEnv('AWS_ENDPOINT_URL', `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    const access = kafkaFor({ KAFKA_CLUSTER_ARN: CLUSTER, KAFKA_BROKERS: 'a:1' }, '', DEPS);
    expect(await access?.brokers()).toEqual(['b-1:9098', 'b-2:9098']);
    expect(asked).toEqual([`/v1/clusters/${CLUSTER}/bootstrap-brokers`]);
    const { value } = (await access?.login?.token()) ?? { value: '' };
    expect(Buffer.from(value, 'base64url').toString()).toContain(
      'kafka.eu-central-1.amazonaws.com',
    );
  } finally {
    server.close();
  }
});
