import { SQSClient } from '@aws-sdk/client-sqs';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { createJsonLog } from '#adapters/local/json-log.ts';
import { createNudges } from '#adapters/sqs/nudges.ts';
import { createQueueService, QUEUES } from '#local/aws-endpoint/queue-service.ts';
import { type AwsEndpoint, startAwsEndpoint } from '#local/aws-endpoint/server.ts';
import type { SentHints } from '#ports/runtime-hints.ts';
import { clientConfig } from '#test/support/aws.ts';

let aws: AwsEndpoint;
let client: SQSClient;
let nudges: SentHints;
let sent: string[];
let logged: string[];
beforeEach(async () => {
  sent = [];
  logged = [];
  aws = await startAwsEndpoint({ [QUEUES]: createQueueService((queue) => sent.push(queue)) });
  client = new SQSClient(clientConfig(aws));
  const write = (line: string) => void logged.push(line);
  nudges = createNudges({
    client,
    queueUrl: `${aws.url}/000000000000/nudges`,
    log: createJsonLog({ write, level: 'warn', time: () => '' }),
  });
});
afterEach(async () => {
  client.destroy();
  await aws.close();
});
const hint = (runtime: 'engine' | 'step_functions') => ({ tenant: 't', executionId: 'e', runtime });

it('sends one for many hints, another for what comes while it is on its way, none for the engine', async () => {
  await nudges.settled();
  nudges.hints.accepted(hint('engine'));
  await nudges.settled();
  expect(sent).toEqual([]);
  nudges.hints.accepted(hint('step_functions'));
  for (let i = 0; i < 50; i++) nudges.hints.accepted(hint('step_functions'));
  await nudges.settled();
  expect(sent.length).toBeGreaterThanOrEqual(1);
  expect(sent.length).toBeLessThanOrEqual(2);
  const before = sent.length;
  nudges.hints.accepted(hint('step_functions'));
  await nudges.settled();
  expect(sent).toHaveLength(before + 1);
});

it('one that cannot be sent is logged, and the next is sent', async () => {
  await aws.close();
  nudges.hints.accepted(hint('step_functions'));
  await nudges.settled();
  expect(logged).toHaveLength(1);
  expect(logged[0]).toContain('NUDGE_NOT_SENT');
});
