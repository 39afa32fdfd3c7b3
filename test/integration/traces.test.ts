import { afterAll, beforeAll, expect, it } from 'vitest';
import { parseTrace } from '#core/trace.ts';
import { createTestDatabase, describeWithPostgres } from '#test/support/database.ts';
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
  const documentsOf = (root: string) =>
    daemon.documents.filter(({ trace_id }) => trace_id === root);

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

    const before = daemon.documents.length;
    const id = await execute('untraced', 'engine', {});
    const { headers } = world.hits.at(-1)!;
    expect([headers['traceparent'], headers['x-amzn-trace-id']]).toEqual([undefined, undefined]);
    const { items } = await world.client.listEvents({ execution_id: id });
    expect(items[0]?.data).not.toHaveProperty('trace');
    expect(daemon.documents.length).toBe(before);
  });
});
