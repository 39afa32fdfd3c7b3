import { afterEach, beforeAll, expect, it } from 'vitest';
import { LIMITS } from '#core/dsl/limits.ts';
import type { Json } from '#core/json.ts';
import type { Program } from '#core/plan/program.ts';
import type { StepPerformer } from '#engine/deps.ts';
import {
  createTestDatabase,
  describeWithPostgres,
  type TestDatabase,
} from '#test/support/database.ts';
import {
  chainOf,
  createTestPlatform,
  programOf,
  TENANT,
  type TestPlatform,
} from '#test/support/platform.ts';

const HOUR = 3_600_000;

/** `levels` loops within loops, 900 iterations each: nobody lives to see the end of four. */
function loops(levels: number, value: Json): object {
  return levels === 0
    ? { id: 'copy', type: 'transform', max_output_bytes: 64_000, config: { value } }
    : {
        id: `level-${levels}`,
        type: 'loop',
        config: {
          while: '{% $loop.index < 900 %}',
          max_iterations: 900,
          steps: [loops(levels - 1, value)],
        },
      };
}

/** Loops behind a call that can be undone. */
function endless(levels: number, value: Json): Program {
  const compensate = { type: 'http_request', config: { url: 'https://example.com/undo' } };
  return programOf({
    workflow_id: 'endless',
    version: '1.0.0',
    steps: [
      { id: 'book', type: 'http_request', config: { url: 'https://example.com' }, compensate },
      { ...loops(levels, value), depends_on: ['book'] },
      { id: 'never', type: 'transform', depends_on: [`level-${levels}`], config: { value: 1 } },
    ],
  });
}

describeWithPostgres('the quota of an execution over PostgreSQL', () => {
  let database: TestDatabase;
  const open: TestPlatform[] = [];

  beforeAll(async () => {
    database = await createTestDatabase();
  });
  afterEach(async () => {
    await Promise.all(open.splice(0).map((platform) => platform.close()));
  });

  const undone: string[] = [];
  const performer: StepPerformer = {
    call: async () => ({
      ok: true,
      output: null,
      compensation: { type: 'http_request', config: { url: 'https://example.com/undo' } },
    }),
    compensate: async ({ key }) => {
      undone.push(key);
      return { ok: true };
    },
  };

  async function run(program: Program, input: Json) {
    undone.length = 0;
    const neighbour = chainOf(4);
    const platform = createTestPlatform({
      url: database.url,
      performer,
      programs: [program, neighbour],
    });
    open.push(platform);
    await platform.engine.start();
    const request = { ...platform.request(program), input };
    await platform.access.accept(request);
    const beside = platform.request(neighbour);
    await platform.access.accept(beside);
    const ended = async (id: string) =>
      (await platform.access.getExecution(TENANT, id))?.endedAt ?? null;
    await expect.poll(() => ended(beside.id), { timeout: HOUR }).not.toBeNull();
    await expect.poll(() => ended(request.id), { timeout: HOUR, interval: 200 }).not.toBeNull();
    const execution = await platform.access.getExecution(TENANT, request.id);
    const log = await database.admin.query<{ events: number; last: number; bytes: number }>(
      `select count(*)::int as events, max(seq) as last, sum(length(payload))::int as bytes
       from execution_events where execution_id = $1`,
      [request.id],
    );
    const steps = await database.admin.query<{ status: string }>(
      `select distinct status from workflow_steps where execution_id = $1
       and (step in ('never') or step like 'level%') order by status`,
      [request.id],
    );
    return { execution, log: log.rows[0]!, statuses: steps.rows.map(({ status }) => status) };
  }

  it('ends what would go on for ever, undone and recorded whole', { timeout: HOUR }, async () => {
    const { execution, log, statuses } = await run(endless(4, 1), {});
    expect(execution).toMatchObject({
      status: 'FAILED',
      error: { code: 'CloudFlow.QuotaExceeded' },
      compensation: 'COMPLETE',
    });
    expect(undone).toEqual(['book']);
    expect(log.events).toBe(log.last);
    expect(log.events).toBeGreaterThan(LIMITS.executionEvents - 100);
    expect(log.events).toBeLessThan(LIMITS.executionEvents + 100);
    expect(statuses).toEqual(['FAILED', 'SKIPPED', 'SUCCESS']);
  });

  it('ends what would fill memory before it fills the log', { timeout: HOUR }, async () => {
    const text = 'x'.repeat(60 * 1_024);
    const { execution, log } = await run(endless(3, '{% $input.text %}'), { text });
    expect(execution).toMatchObject({
      status: 'FAILED',
      error: { code: 'CloudFlow.QuotaExceeded' },
      compensation: 'COMPLETE',
    });
    expect(log.events).toBe(log.last);
    expect(log.bytes).toBeGreaterThan(LIMITS.executionBytes);
    expect(log.bytes).toBeLessThan(LIMITS.executionBytes * 1.1);
  });
});
