import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createSilentLog } from '#adapters/local/json-log.ts';
import { createLocalMetrics, type LocalMetrics } from '#adapters/metrics/local-metrics.ts';
import { createPool } from '#adapters/postgres/pool.ts';
import type { Client } from '#client/client.ts';
import { mayLag } from '#contract/route.ts';
import { operationIds, routeOf } from '#contract/routes.ts';
import { CloudFlowError } from '#core/errors.ts';
import { createLaggingReads } from '#functions/shared/lagging-reads.ts';
import type { LogEvent } from '#ports/log.ts';
import { aDefinition, startTestApi, type TestApi } from '#test/support/api.ts';
import { describeWithPostgres, type TestDatabase } from '#test/support/database.ts';
import { type Standby, startStandby } from '#test/support/standby.ts';

const unanswered = (metrics: LocalMetrics): number =>
  Number(/readers_unanswered\S* (\d+)$/m.exec(metrics.text())?.[1] ?? 0);

describeWithPostgres('the API beside a reader of the database that is behind', () => {
  let standby: Standby;
  let admin: pg.Pool;
  let api: TestApi;
  let client: Client;
  const metrics = createLocalMetrics();

  beforeAll(async () => {
    standby = await startStandby();
    const pool: TestDatabase['pool'] = (role, more = {}) =>
      createPool({
        ...{ url: standby.writerUrl, role, max: 2, name: 'test', log: createSilentLog() },
        ...more,
      });
    admin = pool(null);
    const database: TestDatabase = { admin, url: standby.writerUrl, pool };
    api = await startTestApi(database, { readerUrl: standby.readerUrl, metrics });
    client = api.client(await api.createKey(await api.createTenant(), ['*']));
    // Makes the partitions of this month, which the reader has then too.
    await client.createWorkflow({ body: aDefinition({ workflow_id: 'old' }) as never });
    await client.executeWorkflow({ workflow_id: 'old', body: {} });
    await standby.catchUp();
  });
  afterAll(async () => {
    await api?.close();
    await admin?.end();
  });

  const workflows = async () =>
    (await client.listWorkflows({})).items.map(({ workflow_id }) => workflow_id);

  it('lists as the reader knows it, and shows by id what was just made', async () => {
    await standby.hold();
    await client.createWorkflow({ body: aDefinition({ workflow_id: 'new' }) as never });
    await client.createWorkflow({
      body: aDefinition({ workflow_id: 'old', version: '1.1.0' }) as never,
    });
    const { execution_id } = await client.executeWorkflow({ workflow_id: 'old', body: {} });

    // Of the reader, which has not heard of any of it.
    expect(await workflows()).toEqual(['old']);
    expect((await client.listExecutions({})).items).toHaveLength(1);
    expect((await client.listHistory({ workflow_id: 'old' })).items).toHaveLength(1);
    expect((await client.listVersions({ workflow_id: 'old' })).items).toHaveLength(1);
    // Of the writer.
    expect((await client.getWorkflow({ workflow_id: 'new' })).workflow_id).toBe('new');
    expect((await client.getWorkflow({ workflow_id: 'old' })).version).toBe('1.1.0');
    expect((await client.getVersion({ workflow_id: 'old', version: '1.1.0' })).version).toBe(
      '1.1.0',
    );
    expect((await client.getExecution({ execution_id })).status).toBe('PENDING');
    expect((await client.listEvents({ execution_id })).items).toHaveLength(1);
    expect((await client.listSteps({ execution_id })).items).toEqual([]);

    await standby.catchUp();
    expect((await workflows()).sort()).toEqual(['new', 'old']);
    expect((await client.listExecutions({})).items).toHaveLength(2);
    expect(unanswered(metrics)).toBe(0);
  });

  it('never says of what was just made that it is not there', async () => {
    await standby.hold();
    await client.createWorkflow({ body: aDefinition({ workflow_id: 'fresh' }) as never });
    const { execution_id } = await client.executeWorkflow({ workflow_id: 'fresh', body: {} });
    expect((await client.listVersions({ workflow_id: 'fresh' })).items).toHaveLength(1);
    const history = await client.listHistory({ workflow_id: 'fresh' });
    expect(history.items.map(({ id }) => id)).toEqual([execution_id]);
    await expect(client.listVersions({ workflow_id: 'nowhere' })).rejects.toMatchObject({
      code: 'NOT_FOUND',
    });
    // A refusal is no trouble of the reader's.
    expect(unanswered(metrics)).toBe(0);
    await standby.catchUp();
  });

  it('decides and changes by the writer alone, whatever the reader shows', async () => {
    await standby.hold();
    const { execution_id } = await client.executeWorkflow({ workflow_id: 'old', body: {} });
    await client.cancelExecution({ execution_id, body: {} });
    await client.deleteWorkflow({ workflow_id: 'new' });
    expect(await workflows()).toContain('new');
    await expect(client.executeWorkflow({ workflow_id: 'new', body: {} })).rejects.toMatchObject({
      code: 'NOT_FOUND',
    });
    await standby.catchUp();
    expect(await workflows()).not.toContain('new');
  });

  it('without its reader answers by the writer, which is asked alone from then on', async () => {
    await standby.hold();
    await client.createWorkflow({ body: aDefinition({ workflow_id: 'later' }) as never });
    expect(await workflows()).not.toContain('later');
    await standby.stopReader();
    expect(await workflows()).toContain('later');
    expect(unanswered(metrics)).toBe(1);
    for (let i = 0; i < 5; i++) expect(await workflows()).toContain('later');
    expect(unanswered(metrics)).toBe(1);
  });
});

describe('reads that may lag', () => {
  it('are those lists that nobody decides on', () => {
    expect(operationIds.filter((id) => mayLag(routeOf(id))).sort()).toEqual([
      'listExecutions',
      'listHistory',
      'listVersions',
      'listWorkflows',
    ]);
  });

  /** Real time that stands still until it is moved. */
  function world() {
    let at = 0;
    const timers = new Set<{ readonly due: number; readonly callback: () => void }>();
    const said: LogEvent[] = [];
    const metrics = createLocalMetrics();
    const reads = createLaggingReads({
      clock: {
        now: () => 0,
        monotonic: () => at,
        schedule: () => ({ cancel: () => undefined }),
        after(ms, callback) {
          const timer = { due: at + ms, callback };
          timers.add(timer);
          return { cancel: () => void timers.delete(timer) };
        },
      },
      log: { ...createSilentLog(), warn: (event) => void said.push(event) },
      metrics,
    });
    return {
      reads,
      said,
      timers,
      failures: () => unanswered(metrics),
      advance(ms: number) {
        at += ms;
        for (const timer of [...timers]) {
          if (timer.due > at) continue;
          timers.delete(timer);
          timer.callback();
        }
      },
    };
  }
  const of = (who: string) => () => Promise.resolve(who);
  const broken = () => Promise.reject(new Error('connection refused'));

  it('ask a reader that was away again after a while, and say once that it was', async () => {
    const { reads, said, failures, advance } = world();
    expect(await reads(of('reader'), of('writer'))).toBe('reader');
    expect(await reads(broken, of('writer'))).toBe('writer');
    advance(9_000);
    expect(await reads(of('reader'), of('writer'))).toBe('writer');
    advance(1_000);
    expect(await reads(of('reader'), of('writer'))).toBe('reader');
    expect([said, failures()]).toEqual([['READERS_AWAY'], 1]);
  });

  it('wait two seconds for a reader and no longer', async () => {
    const { reads, timers, advance } = world();
    const answer = reads(() => new Promise<string>(() => undefined), of('writer'));
    advance(2_000);
    expect(await answer).toBe('writer');
    expect(timers.size).toBe(0);
  });

  it('leave no timer behind, and give the writer’s refusal as it is', async () => {
    const { reads, timers, failures } = world();
    const refuse = () => Promise.reject(new CloudFlowError('NOT_FOUND', 'no such workflow'));
    await expect(reads(refuse, refuse)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    expect(await reads(refuse, of('writer'))).toBe('writer');
    expect([timers.size, failures()]).toEqual([0, 0]);
  });
});
