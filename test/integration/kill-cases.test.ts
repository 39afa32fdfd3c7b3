import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { itemsOf } from '#client/client.ts';
import { checkWorkflow } from '#core/check-workflow.ts';
import { parseStepKey } from '#core/execution/events.ts';
import type { Json, JsonObject } from '#core/json.ts';
import type { Program } from '#core/plan/program.ts';
import { MARKER_TABLE_SQL } from '#ports/databases.ts';
import type { ConformanceCase } from '#test/conformance/case.ts';
import { allCases } from '#test/conformance/cases.ts';
import { verdictOf } from '#test/conformance/expectation.ts';
import { createTestDatabase, describeWithPostgres } from '#test/support/database.ts';
import { seeded } from '#test/support/processes.ts';
import { addressOf, type CaseWorld, type Hit, startCaseWorld } from './case-world.ts';
import {
  type Drill,
  execute,
  type Kill,
  type PlannedKill,
  RUNTIMES,
  type Runtime,
  runDrill,
  type Subject,
} from './kill-drill.ts';
import { type Audit, type Audited, auditStore } from './log-checks.ts';
import { makeFolder, type PlatformFolder } from './platform-process.ts';

/** `KILL_SEED=n` replays another run. */
const SEED = Number(process.env['KILL_SEED'] ?? 20_260);
const random = seeded(SEED);
/**
 * It compares sentences word for word, and one of them ("nobody listens there") is the scripted world's own: over
 * real HTTP a connection that breaks off has other words, which are the adapter's to test. Its people answer so
 * long after they were asked, which only that world can tell. It is killed at every write by
 * test/conformance/restart.test.ts.
 */
const SCRIPTED = 'error-messages';
const cases = sampled(allCases().filter(({ name }) => name !== SCRIPTED));
const database = 'shop';

/** All written cases, and some of the table of trigger rules, each under a workflow of its own. */
function sampled(all: readonly ConformanceCase[]): ConformanceCase[] {
  const table = all.filter(({ name }) => name.startsWith('rule-table '));
  const chosen = new Set(Array.from({ length: 10 }, () => Math.floor(random() * table.length)));
  return [
    ...all.filter((one) => !table.includes(one)).map(withMargin),
    ...[...chosen].map((i) => {
      const one = table[i] as ConformanceCase;
      return { ...one, workflow: { ...one.workflow, workflow_id: `c-rule-table-${i}` } };
    }),
  ];
}

/**
 * Calls take real time here, on a machine that may be busy: what is late is late by far, and what is in
 * time has seconds to spare.
 */
function withMargin(one: ConformanceCase): ConformanceCase {
  if (one.name !== 'timeout-ms') return one;
  const text = JSON.stringify(one.workflow).replaceAll('"timeout":1500', '"timeout":5000');
  const late = { delay_ms: 60_000 };
  const http = { late: [late], 'in-time': [{ delay_ms: 300 }], again: [late, { delay_ms: 100 }] };
  return { ...one, workflow: JSON.parse(text) as JsonObject, world: { ...one.world, http } };
}

/** The workflows of the children of a case, on one runtime. */
function childrenOf({ others = [], workflow, expect: wanted }: ConformanceCase): string[] {
  return others.flatMap((definition) => {
    const id = String(definition['workflow_id']);
    const starts = new RegExp(
      `"id":"([^"]+)","type":"sub_workflow"[^{}]*"config":{"workflow_id":"${id}"`,
    );
    const [, step] = starts.exec(JSON.stringify(workflow)) ?? [];
    const instances = Object.keys(wanted.steps).filter(
      (key) => parseStepKey(key).path.split('.').at(-1) === step,
    );
    return instances.map(() => id);
  });
}

/** The definition with the outside at the world's address. */
function addressed(definition: JsonObject, address: string): JsonObject {
  const text = JSON.stringify(definition)
    .replaceAll('https://world.test/', address)
    .replaceAll('https://validation.internal/', address);
  return JSON.parse(text) as JsonObject;
}

function planOf(): PlannedKill[] {
  const within = (low: number, high: number) => low + Math.floor(random() * (high - low));
  return [
    { moment: 'accept', at: within(5, cases.length * 2 - 5), afterMs: within(0, 10) },
    // While calls are under way: a third of the run apart, so that each strikes a platform that works.
    { moment: 'hit', at: within(5, 20), afterMs: within(0, 30) },
    { moment: 'hit', at: within(70, 90), afterMs: within(0, 30) },
    // About when the answer's record is committed.
    { moment: 'answer', at: within(30, 40), afterMs: within(0, 12) },
    { moment: 'answer', at: within(95, 110), afterMs: within(0, 12) },
    { moment: 'start', at: 3, afterMs: within(200, 2_500) },
    { moment: 'advance', at: 1, afterMs: within(0, 12) },
    { moment: 'advance', at: within(3, 6), afterMs: within(0, 12) },
    { moment: 'signal', at: within(1, 6), afterMs: within(0, 15) },
    { moment: 'signal', at: within(7, 13), afterMs: within(0, 15) },
  ];
}

describeWithPostgres(`kill -9 during every conformance case (seed ${SEED})`, () => {
  let folder: PlatformFolder;
  let world: CaseWorld;
  let drill: Drill;
  let audit: Audit;
  let effects: () => Promise<number>;
  const programs = new Map<string, Program>();

  beforeAll(async () => {
    folder = await makeFolder();
    world = await startCaseWorld(cases);
    const target = await createTestDatabase();
    await target.admin.query(MARKER_TABLE_SQL);
    await target.admin.query('create table accounts (id int generated always as identity)');
    effects = async () =>
      Number((await target.admin.query('select count(*) as n from accounts')).rows[0]?.n);
    const url = new URL(target.url);
    const prepared = cases.map((one) => ({
      one,
      definitions: [one.workflow, ...(one.others ?? [])].map((each) =>
        addressed(each, addressOf(world, one.name)),
      ),
    }));
    for (const definition of prepared.flatMap(({ definitions }) => definitions)) {
      const checked = checkWorkflow(definition);
      if (!checked.ok) throw new Error(JSON.stringify(checked.problems));
      programs.set(checked.program.hash, checked.program);
    }
    drill = await runDrill({
      ...{ folder, world, seed: SEED, cases: prepared, plan: planOf() },
      env: { EGRESS_ALLOW: `127.0.0.1:${world.port},${url.hostname}:${url.port}` },
      async prepare(client) {
        await client.createConnection({
          idempotencyKey: `kill-${SEED}-connection`,
          body: {
            name: database,
            connection: {
              type: 'postgres',
              host: url.hostname,
              port: Number(url.port),
              database: url.pathname.slice(1),
              login: { username: decodeURIComponent(url.username), secret: 'shop-password' },
              tls: 'disable',
            },
            secrets: { 'shop-password': decodeURIComponent(url.password) },
          },
        });
        await client.createOperation({
          connection: database,
          idempotencyKey: `kill-${SEED}-operation`,
          body: {
            name: 'create-account',
            access: 'write',
            statement: 'insert into accounts default values',
          },
        });
      },
    });
    const { postgresUrl } = await drill.platform();
    audit = await auditStore(postgresUrl, programs);
  }, 900_000);

  afterAll(async () => {
    await folder?.remove();
    await world?.close();
  }, 60_000);

  const subjectOf = (name: string, runtime: Runtime): Subject =>
    drill.subjects.find((each) => each.one.name === name && each.runtime === runtime) as Subject;
  const auditedOf = (subject: Subject): Audited => {
    const found = audit.executions.get(subject.reported);
    if (found === undefined) throw new Error(`${subject.one.name} ${subject.runtime} is lost`);
    return found;
  };
  const hitsOf = (subject: Subject, key: string): Hit[] =>
    world.hits.filter((hit) => hit.executionId === subject.reported && hit.key === key);

  it('the run counts: kills struck, and struck work under way', () => {
    const moments = new Set(drill.kills.map(({ moment }) => moment));
    expect(drill.kills.length, told(drill.kills)).toBeGreaterThanOrEqual(8);
    expect([...moments].sort(), told(drill.kills)).toEqual(
      ['accept', 'advance', 'answer', 'hit', 'signal', 'start'].sort(),
    );
    expect(drill.kills.filter(({ unfinished }) => unfinished > 0).length).toBe(drill.kills.length);
    expect(drill.kills.filter(({ open }) => open > 0).length).toBeGreaterThanOrEqual(2);
  });

  it('what was acknowledged exists, and nothing else does', () => {
    const known = new Set(drill.subjects.flatMap(({ id, reported }) => [id, reported]));
    expect([...known].filter((id) => !audit.executions.has(id))).toEqual([]);
    const others = [...audit.executions.values()].filter(({ id }) => !known.has(id));
    expect(others.filter(({ parentId }) => parentId === null || !known.has(parentId))).toEqual([]);
    // Each parent has one child for each instance of a step that starts one.
    expect(others.map(({ workflowId }) => workflowId).sort()).toEqual(
      RUNTIMES.flatMap(() => cases.flatMap(childrenOf)).sort(),
    );
  });

  it('starting again gives the same execution, and another body is refused', async () => {
    const { client } = await drill.platform();
    for (const subject of drill.subjects.slice(0, 12)) {
      const again = await execute(client, subject);
      expect(again.execution_id).toBe(subject.id);
    }
    const [subject] = drill.subjects as [Subject];
    const other = { ...subject, one: { ...subject.one, input: { other: true } } };
    await expect(execute(client, other)).rejects.toMatchObject({
      code: expect.stringMatching(/CONFLICT|IDEMPOTENCY/),
    });
  });

  it('logs have no gap, epochs never fall, ends are one, rows are the fold of the log', () => {
    expect(audit.violations).toEqual([]);
  });

  it('no step is called again after its success was to be seen, and all its calls carry one key', () => {
    const wrong: string[] = [];
    const keys = new Map<string, string>();
    const repeats = new Map<string, number>();
    const retries = new Set(
      drill.subjects.filter(({ id, reported }) => id !== reported).map(({ reported }) => reported),
    );
    for (const { executionId, key, attempt, idempotencyKey, at, caseName } of world.hits) {
      const name = `${executionId} ${key}`;
      const seen = drill.seen.get(name);
      if (seen !== undefined && at > seen)
        wrong.push(`${caseName} ${key}: called after its record`);
      const first = keys.get(name) ?? idempotencyKey;
      keys.set(name, first);
      if (first !== idempotencyKey)
        wrong.push(`${caseName} ${key}: ${idempotencyKey} and ${first}`);
      const times = repeats.get(`${name} ${attempt}`) ?? 0;
      repeats.set(`${name} ${attempt}`, times + 1);
    }
    for (const [name, times] of repeats) {
      if (times > 1 + drill.kills.length) wrong.push(`${name}: called ${times} times`);
    }
    expect(wrong).toEqual([]);
    // A retry goes on with the keys of the first execution.
    const firsts = [...keys].filter(([name]) => !retries.has(name.split(' ')[0] ?? ''));
    expect(new Set(firsts.map(([, key]) => key)).size).toBe(firsts.length);
    // Only calls that a kill cut off were made again, or whose answer it kept from being recorded.
    const again = [...repeats.values()].reduce((sum, times) => sum + times - 1, 0);
    const cut = drill.kills.reduce((sum, { open }) => sum + open, 0);
    expect(again, told(drill.kills)).toBeLessThanOrEqual(cut + 10 * drill.kills.length);
  });

  it('a database operation took effect once for each execution', async () => {
    expect(await effects()).toBe(RUNTIMES.length);
  });

  it('what killed platforms had started ended with them', () => {
    expect(drill.orphans).toEqual([]);
  });

  describe.each(RUNTIMES)('on %s', (runtime) => {
    it.each(cases.map((one) => [one.name, one] as const))('%s', async (_, one) => {
      const subject = subjectOf(one.name, runtime);
      const audited = auditedOf(subject);
      expectCase(one, subject, audited);
      await expectApi(audited);
    });
  });

  it.each(cases.map(({ name }) => [name]))('%s: both runtimes report the same', (name) => {
    const [engine, machine] = RUNTIMES.map((runtime) =>
      comparable(auditedOf(subjectOf(name, runtime))),
    );
    expect(machine).toEqual(engine);
  });

  function expectCase(one: ConformanceCase, subject: Subject, { report, state, events }: Audited) {
    const wanted = one.expect;
    const verdicts = Object.entries(report.steps).map(([key, step]) => [key, verdictOf(step)]);
    expect(Object.fromEntries(verdicts)).toEqual(wanted.steps);
    expect(report.status).toBe(wanted.status);
    if (wanted.error !== undefined) expect(report.error?.code).toBe(wanted.error);
    if (wanted.compensation !== undefined) expect(report.compensation).toBe(wanted.compensation);
    if ('output' in wanted) expect(report.output).toEqual(wanted.output);
    for (const [key, output] of Object.entries(wanted.outputs ?? {})) {
      expect([key, report.steps[key]?.output]).toEqual([key, output]);
    }
    for (const [key, attempts] of Object.entries(wanted.attempts ?? {})) {
      expect([key, report.steps[key]?.attempts]).toEqual([key, attempts]);
    }
    for (const [key, calls] of Object.entries(wanted.calls ?? {})) {
      if (key === 'create-account') continue; // a database: `effects` counts
      const attempts = new Set(hitsOf(subject, key).map(({ attempt }) => attempt));
      expect([key, attempts.size]).toEqual([key, calls]);
    }
    if (wanted.compensations !== undefined) {
      // In reverse order of their ends; those which ended at one business time in either order.
      const order = report.compensations.map(({ step }) => step);
      expect([...order].sort()).toEqual([...wanted.compensations].sort());
      const ended = (key: string) =>
        events.find(({ event }) => event.type === 'step_succeeded' && event.step === key)?.at ?? 0;
      const times = order.map(ended);
      expect(times).toEqual(times.toSorted((a, b) => b - a));
    }
    for (const [path, most] of Object.entries(wanted.max_in_flight ?? {})) {
      expect([path, world.mostAtOnce(subject.reported, path)]).toEqual([path, most]);
    }
    const codes = (one.world?.signals ?? []).map(({ refused }) => refused ?? null);
    expect(subject.answers).toEqual(codes);
    // Calls take no business time here; what the case says of theirs is for another clock.
    const delays = Object.values(one.world?.http ?? {}).flatMap((list) =>
      list.filter(({ delay_ms }) => delay_ms !== undefined),
    );
    if (delays.length > 0) return;
    if (wanted.duration_ms !== undefined) {
      const first = audit.executions.get(subject.id)?.state.createdAt ?? 0;
      expect((state.endedAt ?? 0) - first).toBe(wanted.duration_ms);
    }
    for (const [key, times] of Object.entries(wanted.call_times ?? {})) {
      const begun = events.filter(
        ({ event }) =>
          (event.type === 'step_started' || event.type === 'attempt_started') && event.step === key,
      );
      expect([key, begun.map(({ at }) => at - (state.createdAt ?? 0))]).toEqual([key, times]);
    }
  }

  /** The API tells the same as the log. */
  async function expectApi({ id, report, state, events }: Audited) {
    const { client } = await drill.platform();
    const view = await client.getExecution({ execution_id: id });
    expect(view).toMatchObject({ status: report.status, output: report.output, waits: [] });
    expect(view.error?.code ?? null).toBe(report.error?.code ?? null);
    const steps = new Map<string, Json>();
    const pages = itemsOf((cursor) =>
      client.listSteps({ execution_id: id, query: { limit: 200, ...(cursor && { cursor }) } }),
    );
    for await (const { step, status, reason, attempts, output, error } of pages) {
      steps.set(step, { status, reason, attempts, output, code: error?.code ?? null });
    }
    expect(Object.fromEntries(steps)).toEqual(
      Object.fromEntries(
        // What a retry carried over is in the lists of the execution that did it.
        Object.entries(report.steps)
          .filter(([key]) => !(key in (state.carried ?? {})))
          .map(([key, { status, reason, attempts, output, error }]) => [
            key,
            { status, reason, attempts, output, code: error?.code ?? null },
          ]),
      ),
    );
    const told: unknown[] = [];
    const list = itemsOf((cursor) =>
      client.listEvents({ execution_id: id, query: { limit: 200, ...(cursor && { cursor }) } }),
    );
    for await (const { seq, type, at } of list) told.push([seq, type, Date.parse(at)]);
    expect(told).toEqual(events.map(({ seq, event, at }) => [seq, event.type, at]));
  }
});

/** What rule 41 compares: no times, no ids, no words of a platform. */
function comparable({ report }: Audited): unknown {
  const { status, output, error, compensation, steps, compensations, calls } = report;
  return {
    ...{ status, output, compensation, calls },
    error: error === null ? null : { code: error.code, step: error.step ?? null },
    steps: Object.fromEntries(
      Object.entries(steps).map(([key, step]) => [
        key,
        { ...step, error: step.error?.code ?? null },
      ]),
    ),
    compensations: compensations.map(({ step, status: end, attempts }) => [step, end, attempts]),
  };
}

function told(kills: readonly Kill[]): string {
  return `seed ${SEED}: ${JSON.stringify(kills)}`;
}
