import { afterAll, beforeAll, expect, it } from 'vitest';
import { listQuery } from '#adapters/postgres/list-executions.ts';
import { withTenant } from '#adapters/postgres/pool.ts';
import type { ExecutionFilter, Labels } from '#ports/execution-store.ts';
import {
  createTestDatabase,
  describeWithPostgres,
  type TestDatabase,
} from '#test/support/database.ts';
import { chainOf, createTestPlatform, TENANT, type TestPlatform } from '#test/support/platform.ts';

const program = chainOf(1);
const DAY = 86_400_000;
const START = Date.parse('2026-10-20T00:00:00Z');

describeWithPostgres('reading executions', () => {
  let database: TestDatabase;
  let platform: TestPlatform;
  const ids: string[] = [];

  beforeAll(async () => {
    database = await createTestDatabase();
    platform = createTestPlatform({
      url: database.url,
      programs: [program],
      performer: {
        call: () => Promise.reject(new Error('nothing runs here')),
        compensate: () => Promise.reject(new Error('nothing runs here')),
      },
    });
    // Forty days, ten a day, over two months.
    for (let i = 0; i < 400; i++) {
      const now = START + Math.floor(i / 10) * DAY + i;
      const id = platform.deps.ids.next(now);
      ids.push(id);
      if (i === 3) await waitingStep(ids[0]!);
      await platform.access.accept(
        platform.request(program, {
          id,
          now,
          workflowId: i % 50 === 0 ? 'rare' : 'common',
          version: i % 2 === 0 ? '1.0.0' : '2.0.0',
          labels: labelsOf(i),
          mode: i % 5 === 0 ? 'test' : 'live',
          parent: i === 3 ? { executionId: ids[0]!, step: 'child' } : null,
          rootId: i === 4 ? ids[1]! : id,
        }),
      );
    }
    await database.admin.query(
      `update workflow_executions set status = 'FAILED', ended_at = created_at
       where id = any ($1)`,
      [ids.filter((_, i) => i % 40 === 0)],
    );
    await database.admin.query('analyze');
  });
  afterAll(() => platform.close());

  function labelsOf(i: number): Labels {
    if (i % 100 === 7) return { env: 'prod', region: 'eu' };
    if (i % 100 === 9) return { 'what it is': 'Quarterly Invoice run' };
    if (i === 1) return { about: 'filler' };
    return i % 4 === 0 ? { env: 'dev' } : {};
  }

  /** Children are accepted while their step waits for them. */
  const waitingStep = (executionId: string) =>
    database.admin.query(
      `insert into workflow_steps (tenant_id, execution_id, step, status, attempts)
       values ($1, $2, 'child', 'EXECUTING', 1)`,
      [TENANT, executionId],
    );

  const find = async (filter: ExecutionFilter): Promise<number[]> => {
    const page = await platform.access.listExecutions(TENANT, filter, { limit: 500, after: null });
    return page.items.map((each) => ids.indexOf(each.id));
  };
  const matching = (test: (i: number) => boolean): number[] =>
    ids
      .map((_, i) => i)
      .filter(test)
      .reverse();

  it.each<[string, ExecutionFilter, (i: number) => boolean]>([
    ['status', { statuses: ['FAILED'] }, (i) => i % 40 === 0],
    ['several statuses', { statuses: ['FAILED', 'COMPLETED'] }, (i) => i % 40 === 0],
    ['open and final statuses', { statuses: ['PENDING', 'FAILED'] }, () => true],
    ['workflow', { workflowId: 'rare' }, (i) => i % 50 === 0],
    [
      'workflow and version',
      { workflowId: 'common', version: '2.0.0' },
      (i) => i % 50 !== 0 && i % 2 === 1,
    ],
    ['mode', { mode: 'test' }, (i) => i % 5 === 0],
    ['one label', { labels: { env: 'prod' } }, (i) => i % 100 === 7],
    ['labels that nothing has together', { labels: { env: 'dev', region: 'eu' } }, () => false],
    ['words, in any order and case', { text: 'invoice QUARTERLY' }, (i) => i % 100 === 9],
    ['words of labels', { text: 'region' }, (i) => i % 100 === 7],
    [
      'time',
      { createdFrom: START + 20 * DAY, createdTo: START + 22 * DAY },
      (i) => i >= 200 && i < 220,
    ],
    [
      'label and time',
      { labels: { env: 'dev' }, createdTo: START + DAY },
      (i) => i < 10 && i % 4 === 0 && i % 100 !== 7,
    ],
    ['chain of retries', { rootId: 'root' }, (i) => i === 4],
    ['parent', { parentId: 'parent' }, (i) => i === 3],
  ])('finds by %s, newest first', async (_name, filter, test) => {
    const known = {
      ...filter,
      ...(filter.rootId === undefined ? {} : { rootId: ids[1]! }),
      ...(filter.parentId === undefined ? {} : { parentId: ids[0]! }),
    };
    expect(await find(known)).toEqual(matching(test));
  });

  it('pages without gaps or repeats', async () => {
    const seen: string[] = [];
    let after: string | null = null;
    for (let pages = 0; pages < 20; pages++) {
      const page: Awaited<ReturnType<typeof platform.access.listExecutions>> =
        await platform.access.listExecutions(TENANT, { mode: 'live' }, { limit: 47, after });
      seen.push(...page.items.map((each) => each.id));
      after = page.next;
      if (after === null) break;
    }
    expect(seen).toEqual(ids.filter((_, i) => i % 5 !== 0).reverse());
  });

  async function pages(filter: ExecutionFilter, limit: number): Promise<number[][]> {
    const read: number[][] = [];
    let after: string | null = null;
    do {
      const page: Awaited<ReturnType<typeof platform.access.listExecutions>> =
        await platform.access.listExecutions(TENANT, filter, { limit, after });
      read.push(page.items.map((each) => ids.indexOf(each.id)));
      after = page.next;
    } while (after !== null && read.length < 50);
    return read;
  }

  it('fills a page of a search of which other conditions take most away', async () => {
    // 96 are found, of which 80 are looked at first for a page of three.
    const filter: ExecutionFilter = { labels: { env: 'dev' }, workflowId: 'rare' };
    expect(await pages(filter, 3)).toEqual([[300, 200, 100], [0]]);
    expect(await pages(filter, 4)).toEqual([[300, 200, 100, 0]]);
    expect(await pages(filter, 1)).toEqual([[300], [200], [100], [0]]);
  });

  async function planOf(text: string, values: unknown[]): Promise<string> {
    return withTenant(database.pool('cloudflow_app', { max: 1 }), TENANT, async (client) => {
      // With few rows anything is cheap: what is asked is whether the index alone can serve this.
      for (const setting of ['seqscan', 'bitmapscan', 'sort']) {
        await client.query(`set local enable_${setting} = off`);
      }
      const { rows } = await client.query<{ 'QUERY PLAN': string }>(`explain ${text}`, values);
      return rows.map((row) => row['QUERY PLAN']).join('\n');
    });
  }

  it.each<[string, ExecutionFilter, RegExp]>([
    ['all', {}, /_pkey/],
    ['a workflow', { workflowId: 'rare' }, /workflow_id_id_idx/],
    ['a final status', { statuses: ['FAILED'] }, /outcome_id_idx/],
    ['open statuses', { statuses: ['PENDING'] }, /tenant_id_id_idx/],
  ])(
    'reads %s by an index in order, under row security, without a sort',
    async (_name, filter, index) => {
      const { text, values } = listQuery(TENANT, filter, null, null, 20);
      const plan = await planOf(text, values);
      expect(plan).toMatch(index);
      expect(plan).not.toMatch(/Sort|Seq Scan/);
    },
  );

  it('reads only the partitions of the time that is asked for', async () => {
    const filter = { createdFrom: START, createdTo: START + DAY };
    const { text, values } = listQuery(TENANT, filter, null, null, 20);
    const plan = await planOf(text, values);
    expect(plan).toContain('202610');
    expect(plan).not.toContain('202611');
  });

  it('searches labels and words by their GIN indexes', async () => {
    await database.admin.query(
      `insert into execution_search (tenant_id, execution_id, labels, document)
       select $1, (left(uuid_v7_floor('2026-10-25')::text, 24) || lpad(to_hex(n), 12, '0'))::uuid,
              jsonb_build_object('n', n::text), to_tsvector('simple', 'filler ' || n)
       from generate_series(1, 20000) n`,
      [TENANT],
    );
    await database.admin.query('vacuum analyze execution_search');

    // Far more is found than one page looks at, and none of it is an execution but the very last.
    const searched = await pages({ text: 'filler' }, 20);
    expect(searched.length).toBeGreaterThan(2);
    expect(searched.length).toBeLessThan(10);
    expect(searched.flat()).toEqual([1]);

    const client = await database.pool('cloudflow_lookup', { max: 1 }).connect();
    try {
      await client.query('begin');
      const explain = async (condition: string): Promise<string> => {
        const { rows } = await client.query<{ 'QUERY PLAN': string }>(
          `explain select execution_id from execution_search s
           where s.tenant_id = '${TENANT}' and ${condition}`,
        );
        return rows.map((row) => row['QUERY PLAN']).join('\n');
      };
      expect(await explain(`s.labels @> '{"env":"prod"}'`)).toContain('labels_idx');
      expect(await explain(`s.document @@ plainto_tsquery('simple', 'invoice')`)).toContain(
        'document_idx',
      );
      await client.query('rollback');
    } finally {
      client.release();
    }
  });

  it('looks up one execution by its primary key even where the plan was made on an empty table', async () => {
    const empty = await createTestDatabase();
    const admin = empty.admin;
    await admin.query("select ensure_partitions('2026-11-01', '2026-11-01')");
    const client = await admin.connect();
    try {
      await client.query('begin');
      for (const setting of ['seqscan', 'hashjoin', 'mergejoin']) {
        await client.query(`set local enable_${setting} = off`);
      }
      const { rows } = await client.query<{ 'QUERY PLAN': string }>(
        `explain update workflow_executions e set phase = 'x'
         from unnest(array['${TENANT}']::uuid[], array['${ids[0]}']::uuid[], array[1]) x (tenant_id, id, epoch)
         where e.tenant_id = x.tenant_id and e.id = x.id and e.epoch = x.epoch`,
      );
      await client.query('rollback');
      const plan = rows.map((row) => row['QUERY PLAN']).join('\n');
      expect(plan).toContain('workflow_executions_202611_pkey');
    } finally {
      client.release();
    }
  });
});
