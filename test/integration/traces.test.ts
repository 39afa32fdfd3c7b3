import { afterAll, beforeAll, expect, it } from 'vitest';
import { createKafkaEventLog } from '#adapters/kafka/event-log.ts';
import { createSilentLog } from '#adapters/local/json-log.ts';
import { createSystemClock } from '#adapters/local/system-clock.ts';
import type { EventEnvelope } from '#core/event-envelope.ts';
import type { JsonObject } from '#core/json.ts';
import { parseTrace, type Trace } from '#core/trace.ts';
import type { EventLog } from '#ports/event-log.ts';
import { NO_METRICS } from '#ports/metrics.ts';
import { createTestDatabase, describeWithPostgres } from '#test/support/database.ts';
import { describeWithKafka, startKafka } from '#test/support/kafka.ts';
import { startTraceDaemon, type TraceDaemon } from '#test/support/trace-daemon.ts';
import { type PlatformWorld, startWorld } from './platform-world.ts';

describeWithPostgres('one trace from the request to the calls of its execution', () => {
  let daemon: TraceDaemon;
  let world: PlatformWorld;
  beforeAll(async () => {
    daemon = await startTraceDaemon();
    const database = await createTestDatabase();
    world = await startWorld(database.url, { traces: daemon.address });
  });
  afterAll(async () => {
    await world?.stop();
    await daemon?.close();
  });

  const definition = (workflow_id: string) => ({
    workflow_id,
    version: '1.0.0',
    steps: [
      {
        id: 'tell-alice',
        type: 'http_request',
        config: {
          url: `${world.target}/alice@example.com`,
          method: 'POST',
          body: { name: 'secret' },
        },
      },
    ],
  });

  /** Starts it as a caller would who is traced already. */
  async function execute(
    workflow_id: string,
    runtime: string,
    headers: Record<string, string>,
  ): Promise<string> {
    await world.client.createWorkflow({ body: definition(workflow_id) as never });
    const response = await fetch(
      `${world.platform.baseUrl}/api/v1/workflows/${workflow_id}/execute`,
      {
        method: 'POST',
        headers: {
          authorization: `Bearer ${world.platform.apiKey}`,
          'content-type': 'application/json',
          ...headers,
        },
        body: JSON.stringify({ runtime, input: { name: 'alice' } }),
      },
    );
    expect(response.status).toBe(202);
    const { execution_id } = (await response.json()) as { execution_id: string };
    expect((await world.finished(execution_id)).status).toBe('COMPLETED');
    return execution_id;
  }
  /** Without what readers of events make of it, which is later. */
  const direct = () =>
    daemon.documents.filter(({ annotations }) => annotations['what'] !== 'event');
  const documentsOf = (root: string) => direct().filter(({ trace_id }) => trace_id === root);

  it.each([
    ['engine', 'Root=1-67890001-aaaaaaaaaaaaaaaaaaaaaaaa;Parent=bbbbbbbbbbbbbbbb;Sampled=1'],
    [
      'step_functions',
      'Root=1-67890002-cccccccccccccccccccccccc;Parent=dddddddddddddddd;Sampled=1',
    ],
  ])('on %s', async (runtime, header) => {
    const [, root = '', parent = ''] = /Root=([^;]+);Parent=([^;]+)/.exec(header) ?? [];
    const id = await execute(`traced-${runtime}`, runtime, { 'x-amzn-trace-id': header });

    await expect.poll(() => documentsOf(root).length, { timeout: 10_000 }).toBe(2);
    // Each is told when it ends, and the step may end first.
    const [request, step] = ['request', 'step'].map((what) =>
      documentsOf(root).find(({ annotations }) => annotations['what'] === what),
    );
    expect(request).toMatchObject({
      parent_id: parent,
      annotations: { what: 'request', operation: 'executeWorkflow', status: 202 },
    });
    expect(step).toMatchObject({
      parent_id: request?.id,
      annotations: { what: 'step', execution: id, step_type: 'http_request', attempt: 1 },
    });
    // Whoever was called goes on under the step, by either of the usual headers.
    const hit = world.hits.at(-1);
    expect(parseTrace(String(hit?.headers['x-amzn-trace-id']))).toMatchObject({
      id: root.slice(2).replace('-', ''),
      parent: step?.id,
      sampled: true,
    });
    expect(hit?.headers['traceparent']).toBe(`00-${root.slice(2).replace('-', '')}-${step?.id}-01`);
    // The beginning of the execution says it, for whoever reads its log.
    const { items } = await world.client.listEvents({ execution_id: id });
    expect(items[0]).toMatchObject({
      type: 'execution_created',
      data: { trace: `Root=${root};Parent=${request?.id};Sampled=1` },
    });
  });

  it('names nobody and nothing of tenants', () => {
    expect(JSON.stringify(daemon.documents)).not.toMatch(/alice|secret|127\.0\.0\.1|traced-/);
  });

  it('goes on from a traceparent as well; without either there is none', async () => {
    const traceparent = `00-${'67890003'}${'e'.repeat(24)}-${'f'.repeat(16)}-01`;
    await execute('by-w3c', 'engine', { traceparent });
    const root = `1-67890003-${'e'.repeat(24)}`;
    await expect.poll(() => documentsOf(root).length, { timeout: 10_000 }).toBe(2);

    const before = direct().length;
    const id = await execute('untraced', 'engine', {});
    const { headers } = world.hits.at(-1)!;
    expect([headers['traceparent'], headers['x-amzn-trace-id']]).toEqual([undefined, undefined]);
    const { items } = await world.client.listEvents({ execution_id: id });
    expect(items[0]?.data).not.toHaveProperty('trace');
    expect(direct().length).toBe(before);
  });
});

describeWithKafka('one trace from the request to what readers make of its events', () => {
  const LONG = { timeout: 90_000, interval: 100 };
  let daemon: TraceDaemon;
  let world: PlatformWorld;
  let kafka: EventLog;
  const helpers = new Set<string>();
  /** What is on the topics, whoever reads it. */
  const read: { readonly topic: string; readonly event: EventEnvelope }[] = [];

  beforeAll(async () => {
    daemon = await startTraceDaemon();
    const database = await createTestDatabase();
    const kafkaBrokers = (await startKafka()).map(({ address }) => address);
    world = await startWorld(database.url, { traces: daemon.address, kafkaBrokers });
    kafka = createKafkaEventLog(
      { brokers: async () => kafkaBrokers, login: null, clientId: 'test' },
      { clock: createSystemClock(), log: createSilentLog(), metrics: NO_METRICS },
    );
    for (const topic of ['workflow.events', 'notifications.webhook']) {
      kafka.subscribe({
        ...{ group: `watches-${topic}`, topic, most: 100 },
        async handle({ messages }) {
          read.push(...messages.map(({ value }) => ({ topic, event: JSON.parse(value) })));
          return messages.length;
        },
      });
    }
    const ask = (path: string) => ({
      ...{ id: 'ask', type: 'http_request', config: { url: `${world.target}/${path}` } },
    });
    const define = (workflow_id: string, steps: JsonObject[]) =>
      world.client.createWorkflow({ body: { workflow_id, version: '1.0.0', steps } as never });
    await define('helper', [ask('child')]);
    await define('asks', [
      ask('parent'),
      {
        id: 'tell',
        type: 'notification',
        config: { channel: 'webhook', to: 'https://hooks.example/', data: { ok: true } },
      },
      { id: 'help', type: 'sub_workflow', config: { workflow_id: 'helper' } },
    ]);
  }, 180_000);
  afterAll(async () => {
    await kafka?.close();
    await world?.stop();
    await daemon?.close();
  }, 60_000);

  it.each([
    ['engine', '1-67890004-aaaaaaaaaaaaaaaaaaaaaaaa'],
    ['step_functions', '1-67890005-bbbbbbbbbbbbbbbbbbbbbbbb'],
  ] as const)(
    'on %s',
    async (runtime, root) => {
      const id = root.slice(2).replace('-', '');
      const response = await fetch(`${world.platform.baseUrl}/api/v1/workflows/asks/execute`, {
        method: 'POST',
        headers: {
          authorization: `Bearer ${world.platform.apiKey}`,
          'content-type': 'application/json',
          traceparent: `00-${id}-${'c'.repeat(16)}-01`,
        },
        body: JSON.stringify({ runtime }),
      });
      const { execution_id: parent } = (await response.json()) as { execution_id: string };
      expect((await world.finished(parent)).status).toBe('COMPLETED');
      const { items } = await world.client.listExecutions({ query: { workflow_id: 'helper' } });
      const child = items.map((each) => each.id).find((each) => !helpers.has(each)) ?? '';
      helpers.add(child);

      const segment = (what: string, facts: object = {}) =>
        daemon.documents.find(
          ({ trace_id, annotations }) =>
            trace_id === root &&
            annotations['what'] === what &&
            Object.entries(facts).every(([name, value]) => annotations[name] === value),
        );
      const under = (name: string, facts: object = {}): Trace => {
        const { id: own } = segment(name, facts) ?? { id: `no ${name}` };
        return { id, parent: own, sampled: true };
      };
      const request = under('request', { operation: 'executeWorkflow' });
      const step = (execution: string, step_type: string) =>
        under('step', { execution, step_type });

      // Of the parent under the call that began it, of the child under the step that did.
      await expect.poll(() => of('workflow.events', child).length, LONG).toBeGreaterThan(0);
      const helped = parseTrace(of('workflow.events', child)[0]?.metadata.trace);
      expect(helped).toMatchObject({ id, sampled: true });
      for (const [execution, above] of [
        [parent, request],
        [child, helped],
      ] as const) {
        const types = ['created', 'started', 'completed'].map(
          (what) => `workflow.execution.${what}`,
        );
        await expect
          .poll(() => traces('workflow.events', execution), LONG)
          .toEqual(types.map((type) => [type, above]));
        // Each reader goes on under what caused the event, whatever else was in its batch.
        for (const group of ['analytics-pipeline', 'billing', 'audit-processor']) {
          for (const event_type of types) {
            const made = () =>
              daemon.documents.some(
                ({ trace_id, parent_id, annotations }) =>
                  trace_id === root &&
                  parent_id === above?.parent &&
                  annotations['what'] === 'event' &&
                  annotations['group'] === group &&
                  annotations['event_type'] === event_type,
              );
            await expect.poll(made, LONG).toBe(true);
          }
        }
      }
      // A step asks for a message within its own segment, and calls out within it.
      await expect
        .poll(() => traces('notifications.webhook', parent), LONG)
        .toEqual([['notifications.webhook.requested', step(parent, 'notification')]]);
      for (const [path, execution] of [
        ['/parent', parent],
        ['/child', child],
      ] as const) {
        const hit = world.hits.find(
          ({ path: at, headers }) => at === path && headers['x-cloudflow-execution'] === execution,
        );
        const { parent: own } = step(execution, 'http_request');
        expect(hit?.headers['traceparent']).toBe(`00-${id}-${own}-01`);
      }
    },
    240_000,
  );

  const of = (topic: string, execution: string): readonly EventEnvelope[] =>
    read
      .filter((each) => each.topic === topic && each.event.payload['execution_id'] === execution)
      .map(({ event }) => event);
  const traces = (topic: string, execution: string) =>
    of(topic, execution).map((event) => [event.event_type, parseTrace(event.metadata.trace)]);
});
