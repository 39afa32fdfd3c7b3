import { afterAll, beforeAll, expect, it } from 'vitest';
import {
  createTestDatabase,
  describeWithPostgres,
  type TestDatabase,
} from '#test/support/database.ts';
import { type PlatformWorld, startWorld } from './platform-world.ts';

describeWithPostgres('what the platform measures of itself', () => {
  let database: TestDatabase;
  let world: PlatformWorld;

  beforeAll(async () => {
    database = await createTestDatabase();
    world = await startWorld(database.url);
  });
  afterAll(() => world?.stop());

  /** Series and their values, as Prometheus would read them. */
  async function scrape(): Promise<Map<string, number>> {
    const response = await fetch(`${world.platform.baseUrl}/local/metrics`);
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toContain('text/plain; version=0.0.4');
    const lines = (await response.text()).split('\n');
    return new Map(
      lines
        .filter((line) => line !== '' && !line.startsWith('#'))
        .map((line) => {
          const at = line.lastIndexOf(' ');
          return [line.slice(0, at), Number(line.slice(at + 1))];
        }),
    );
  }

  it.each(['engine', 'step_functions'] as const)('executions and steps on %s', async (runtime) => {
    const before = await scrape();
    let calls = 0;
    world.answer = ({ step }) => {
      if (step !== 'flaky') return { status: 200 };
      calls += 1;
      return calls === 1 ? { status: 503 } : { status: 404 };
    };
    const id = await world.execute(
      {
        workflow_id: `observed-${runtime.replace('_', '-')}`,
        version: '1.0.0',
        steps: [
          {
            id: 'good',
            type: 'http_request',
            config: { url: `${world.target}/good`, method: 'GET' },
          },
          {
            id: 'flaky',
            type: 'http_request',
            depends_on: ['good'],
            config: {
              url: `${world.target}/flaky`,
              method: 'GET',
              retry: { max_attempts: 2 },
            },
          },
          {
            id: 'never',
            type: 'transform',
            depends_on: ['flaky'],
            config: { value: 1 },
          },
        ],
      },
      runtime,
    );
    await world.pass(10);
    expect((await world.finished(id)).status).toBe('FAILED');
    const after = await scrape();
    const grown = (series: string): number => (after.get(series) ?? 0) - (before.get(series) ?? 0);
    expect({
      started: grown(`cloudflow_executions_started_total{runtime="${runtime}"}`),
      ended: grown(`cloudflow_executions_ended_total{runtime="${runtime}",status="FAILED"}`),
      delays: grown(`cloudflow_start_delay_milliseconds_count{runtime="${runtime}"}`),
      durations: grown(`cloudflow_execution_duration_milliseconds_count{runtime="${runtime}"}`),
      good: grown('cloudflow_steps_ended_total{steptype="http_request",status="SUCCESS"}'),
      bad: grown('cloudflow_steps_ended_total{steptype="http_request",status="FAILED"}'),
      skipped: grown('cloudflow_steps_ended_total{steptype="transform",status="SKIPPED"}'),
      errors: grown('cloudflow_step_errors_total{error="NotFound"}'),
      retries: grown('cloudflow_step_retries_total{steptype="http_request"}'),
      took: grown('cloudflow_step_duration_milliseconds_sum{steptype="http_request"}') >= 2_000,
    }).toEqual({
      started: 1,
      ended: 1,
      delays: 1,
      durations: 1,
      good: 1,
      bad: 1,
      skipped: 1,
      errors: 1,
      retries: 1,
      took: true,
    });
  });

  it('requests by operation and class, pools, and what waits', async () => {
    await fetch(`${world.platform.baseUrl}/api/v1/workflows`);
    await fetch(`${world.platform.baseUrl}/nowhere`);
    const series = await scrape();
    expect(series.get('cloudflow_api_requests_total{operation="listWorkflows",class="4xx"}')).toBe(
      1,
    );
    expect(series.get('cloudflow_api_requests_total{operation="none",class="4xx"}')).toBe(1);
    expect(
      series.get(
        'cloudflow_api_latency_milliseconds_count{operation="createWorkflow",class="2xx"}',
      ),
    ).toBe(2);
    expect(series.get('cloudflow_pool_waiting{program="platform",pool="api"}')).toBe(0);
    expect(series.get('cloudflow_executions_due{runtime="engine"}')).toBe(0);
    expect(series.get('cloudflow_oldest_due_seconds{runtime="step_functions"}')).toBe(0);
    expect(series.get('cloudflow_append_size_count')).toBeGreaterThan(0);
    expect(series.get('cloudflow_engine_executions')).toBe(0);
  });

  it('the local routes are no part of the API', async () => {
    const response = await fetch(`${world.platform.baseUrl}/local/metrics`, { method: 'POST' });
    expect(response.status).toBe(405);
    const description = await (await fetch(`${world.platform.baseUrl}/openapi.json`)).text();
    expect(description).not.toContain('/local/');
  });
});
