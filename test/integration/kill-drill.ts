/**
 * Drives conformance cases through a platform that is killed again and again, from outside alone: HTTP,
 * signals of the operating system and a clock. Time is moved to what the platform says that it waits for,
 * and for no other reason: an execution that needs time to go on without saying so stands still here, and
 * the drill fails with the names of its steps.
 */
import { createHash } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';
import type { Client } from '#client/client.ts';
import { CloudFlowError, hasErrorCode } from '#core/errors.ts';
import { isFinal } from '#core/execution/events.ts';
import type { JsonObject } from '#core/json.ts';
import type { ConformanceCase, ScriptedSignal } from '#test/conformance/case.ts';
import type { CaseWorld } from './case-world.ts';
import {
  descendants,
  isAlive,
  type PlatformFolder,
  type RunningPlatform,
  within,
} from './platform-process.ts';

export const RUNTIMES = ['engine', 'step_functions'] as const;
export type Runtime = (typeof RUNTIMES)[number];

/** One case on one runtime, under an id that the client chose. */
export interface Subject {
  readonly one: ConformanceCase;
  readonly runtime: Runtime;
  readonly definition: JsonObject;
  readonly id: string;
  readonly key: string;
  /** What its case is about: the retry where there is one, else the first execution. */
  reported: string;
  acknowledged: boolean;
  createdAt: number;
  /** Signals that were answered: null, or the code of the refusal. */
  readonly answers: (string | null)[];
}

/** Where a kill strikes: at the n-th time that this happens or soon after, and so much later. */
export type Moment = 'accept' | 'hit' | 'answer' | 'advance' | 'signal' | 'start';
export interface PlannedKill {
  readonly moment: Moment;
  readonly at: number;
  readonly afterMs: number;
}

export interface Kill extends PlannedKill {
  /** Calls at the world that were not answered. */
  readonly open: number;
  /** Executions that had not ended, as far as was known. */
  readonly unfinished: number;
}

export interface Drill {
  readonly subjects: readonly Subject[];
  readonly kills: readonly Kill[];
  /** When a step's success (or its undo's) was first seen over the API: `<execution> <key>`, real time. */
  readonly seen: ReadonlyMap<string, number>;
  /** Processes that outlived the platform that had started them. */
  readonly orphans: readonly string[];
  platform(): Promise<RunningPlatform>;
}

export interface DrillOptions {
  readonly folder: PlatformFolder;
  readonly env: NodeJS.ProcessEnv;
  readonly world: CaseWorld;
  readonly cases: readonly { readonly one: ConformanceCase; readonly definitions: JsonObject[] }[];
  readonly plan: readonly PlannedKill[];
  readonly seed: number;
  /** Registers what cases need besides their definitions; may be repeated. */
  readonly prepare: (client: Client) => Promise<void>;
}

/** A platform may say for a while that a part of it is away. */
const MOST_REFUSALS = 50;
/** More than the platform itself may try again before it says that a part of it is away. */
const STUCK_MS = 120_000;
/**
 * A machine's own timer (a missed heartbeat) is recorded by its next task, so its execution may look
 * late until then: what has not come after several looks of the driver waits for something else.
 */
const UNTOLD_MS = 800;
const AT_ONCE = 8;
/** What a step waits for that comes by itself, without time. */
const BUSY = ['start', 'evaluation', 'attempt', 'engine', 'pause'];

export async function runDrill(options: DrillOptions): Promise<Drill> {
  const { folder, world, plan, seed } = options;
  const kills: Kill[] = [];
  const orphans: string[] = [];
  const seen = new Map<string, number>();
  const counts = new Map<Moment, number>();
  const spent = new Set<PlannedKill>();
  const unfinished = new Set<string>();
  let current: RunningPlatform | null = null;
  let children: number[] = [];
  let starting: Promise<RunningPlatform> | null = null;
  let dying: Promise<void> | null = null;

  // ── killing and starting ─────────────────────────────────────────────────────────────────

  function strike(planned: PlannedKill, process: { signal(signal: NodeJS.Signals): void }): void {
    kills.push({ ...planned, open: world.open, unfinished: unfinished.size });
    process.signal('SIGKILL');
  }

  /** One whose time came while the platform was down strikes when it next can. */
  function due(moment: Moment, count: number): PlannedKill | null {
    const planned = plan.find(
      (each) => each.moment === moment && each.at <= count && !spent.has(each),
    );
    if (planned !== undefined) spent.add(planned);
    return planned ?? null;
  }

  function happened(moment: Moment): void {
    const count = (counts.get(moment) ?? 0) + 1;
    counts.set(moment, count);
    const target = current;
    if (target === null || dying !== null) return;
    const planned = due(moment, count);
    if (planned === null) return;
    dying = pause(planned.afterMs).then(async () => {
      strike(planned, target);
      await target.ended;
      current = null;
      dying = null;
    });
  }

  async function begin(): Promise<RunningPlatform> {
    const args = ['--clock', 'virtual', '--no-example'];
    const count = (counts.get('start') ?? 0) + 1;
    counts.set('start', count);
    const planned = due('start', count);
    if (planned !== null) {
      const launched = folder.launch(args, options.env);
      await pause(planned.afterMs);
      strike(planned, launched);
      await launched.ended;
    }
    const began = await folder.start(args, options.env);
    // Whoever the one before had started is gone, or was never ours to keep.
    await within(
      'processes of a killed platform to end',
      20_000,
      () => !children.some(isAlive),
    ).catch(() => orphans.push(`${children.filter(isAlive).join(', ')} before start ${count}`));
    children = descendants(began.pid);
    current = began;
    return began;
  }

  async function platform(): Promise<RunningPlatform> {
    await dying;
    if (current !== null) {
      if (current.alive) return current;
      const { code, signal, stderr } = await current.ended;
      throw new Error(`the platform ended by itself (${code ?? signal}): ${stderr}`);
    }
    starting ??= begin().finally(() => {
      starting = null;
    });
    return starting;
  }

  /** Repeats a call whose answer was lost with the platform; every call here may be repeated. */
  async function call<T>(act: (platform: RunningPlatform) => Promise<T>): Promise<T> {
    for (let refusals = 0; ; ) {
      const on = await platform();
      try {
        return await act(on);
      } catch (error) {
        const killed = dying !== null || current !== on;
        const busy = isPassing(error) && ++refusals < MOST_REFUSALS;
        if (!killed && !busy) throw error;
        if (!killed) await pause(100);
        await dying;
      }
    }
  }

  // ── what is started ──────────────────────────────────────────────────────────────────────

  const subjects: Subject[] = [];
  world.onHit = () => happened('hit');
  world.onAnswer = () => happened('answer');
  const begunAt = await call((on) => on.advance(0));
  for (const { one, definitions } of options.cases) {
    for (const runtime of RUNTIMES) {
      const id = uuid7(begunAt, `${seed} ${one.name} ${runtime}`);
      world.firsts.add(id);
      subjects.push({
        ...{ one, runtime, definition: definitions[0] as JsonObject, id, reported: id },
        key: `kill-${seed}-${one.name}-${runtime}`.replaceAll(' ', '.'),
        acknowledged: false,
        createdAt: begunAt,
        answers: [],
      });
    }
  }
  await call((on) => options.prepare(on.client));
  const definitions = options.cases.flatMap((each) => each.definitions);
  await eachOf(definitions, (body, i) =>
    call((on) =>
      on.client.createWorkflow({ body: body as never, idempotencyKey: `kill-${seed}-define-${i}` }),
    ),
  );
  for (const { id } of subjects) unfinished.add(id);
  await eachOf(subjects, async (subject) => {
    await call((on) => execute(on.client, subject));
    subject.acknowledged = true;
    happened('accept');
  });

  // ── and driven to its end ────────────────────────────────────────────────────────────────

  let progress = '';
  let progressAt = performance.now();
  let last: unknown = null;
  for (;;) {
    const now = await call((on) => on.advance(0));
    const views = await eachOf([...unfinished], (id) =>
      call((on) => on.client.getExecution({ execution_id: id })),
    );
    const wakes: number[] = [];
    /** Steps that wait for nothing that time brings. */
    const working: string[] = [];
    let busy = false;
    let late = false;
    for (const view of views) {
      for (const { event, step } of view.timeline) {
        const undo = event === 'compensation_succeeded';
        if (step === null || !(event === 'step_succeeded' || undo)) continue;
        const name = `${view.id} ${undo ? 'undo:' : ''}${step}`;
        if (!seen.has(name)) seen.set(name, Date.now());
      }
      if (isFinal(view.status)) unfinished.delete(view.id);
      if (view.status === 'FAILED') await retried(view.id);
      for (const { step, reason, until, on } of view.waits) {
        const due = until === null ? null : Date.parse(until);
        const overdue = due !== null && due <= now;
        const works = BUSY.includes(reason) || (reason === 'compensation' && due === null);
        if (works || overdue) working.push(`${nameOf(view.id)}: ${step ?? 'itself'} (${reason})`);
        if (works || (overdue && view.runtime === 'engine')) busy = true;
        else if (overdue) late = true;
        if (due !== null && !overdue) wakes.push(due);
        if (reason === 'child') for (const child of on) if (!seen.has(child)) watch(child);
      }
    }
    for (const subject of subjects) {
      if ((await signalDue(subject, now)) === 'sent') busy = true;
      const next = subject.one.world?.signals?.[subject.answers.length];
      if (next !== undefined) wakes.push(subject.createdAt + next.at_ms);
    }
    if (unfinished.size === 0 && wakes.length === 0) break;

    const sum = `${now} ${kills.length} ${world.hits.length} ${views.map(({ timeline }) => timeline.length)}`;
    if (sum !== progress) {
      progress = sum;
      progressAt = performance.now();
      last = views.map(({ id, runtime, waits }) => ({ id, runtime, waits }));
    } else if (performance.now() - progressAt > STUCK_MS) {
      const said = (await platform()).stderr;
      throw new Error(
        `seed ${seed}: nothing moves any more since ${new Date(now).toISOString()}, and time has nothing to ` +
          `bring to ${working.join('; ') || 'anything'}: ` +
          JSON.stringify({
            kills,
            open: world.open,
            last,
            owners: await ownersOf(await platform()),
          }) +
          `\n${said}`,
      );
    }
    if (late && performance.now() - progressAt < UNTOLD_MS) busy = true;
    const wake = Math.min(...wakes);
    if (busy || wake <= now || wake === Number.POSITIVE_INFINITY) {
      await pause(15);
    } else {
      happened('advance');
      // Where it was killed on its way, the rest of the way is still to go.
      await call(async (on) => {
        const at = await on.advance(0);
        if (at < wake) await on.advance(wake - at);
      });
    }
  }
  world.onHit = () => undefined;
  world.onAnswer = () => undefined;
  await dying;
  return { subjects, kills, seen, orphans, platform };

  function nameOf(id: string): string {
    const subject = subjects.find((each) => each.id === id || each.reported === id);
    return subject === undefined ? id : `'${subject.one.name}' on ${subject.runtime}`;
  }

  async function retried(id: string): Promise<void> {
    const subject = subjects.find((each) => each.id === id);
    if (subject?.one.retry === undefined) return;
    const { input } = subject.one.retry;
    const { execution_id } = await call((on) =>
      on.client.retryExecution({
        execution_id: id,
        body: input === undefined ? {} : { input },
        idempotencyKey: `${subject.key}-retry`,
      }),
    );
    if (execution_id === null) throw new Error(`the retry of ${nameOf(id)} was not accepted`);
    subject.reported = execution_id;
    unfinished.add(execution_id);
    happened('accept');
  }

  function watch(child: string): void {
    seen.set(child, Date.now());
    unfinished.add(child);
  }

  async function signalDue(subject: Subject, now: number): Promise<'sent' | 'none'> {
    const signal = subject.one.world?.signals?.[subject.answers.length];
    if (signal === undefined || subject.createdAt + signal.at_ms > now) return 'none';
    const key = `${subject.key}-signal-${subject.answers.length}`;
    happened('signal');
    subject.answers.push(await call((on) => send(on.client, world, subject, signal, key)));
    return 'sent';
  }
}

/** Who has what, for the message of a drill that stands still. */
async function ownersOf({ postgresUrl }: RunningPlatform): Promise<unknown> {
  const client = new pg.Client({ connectionString: postgresUrl });
  await client.connect();
  try {
    const executions = await client.query(
      `select id, runtime, owner, epoch, wake_at from workflow_executions where outcome is null`,
    );
    const processes = await client.query(
      'select *, clock_timestamp() as now from engine_processes order by started_at',
    );
    return { executions: executions.rows, processes: processes.rows };
  } finally {
    await client.end();
  }
}

export function execute(client: Client, subject: Subject) {
  return client.executeWorkflow({
    workflow_id: subject.definition['workflow_id'] as string,
    body: {
      version: subject.definition['version'] as string,
      runtime: subject.runtime,
      input: subject.one.input,
      execution_id: subject.id,
    },
    idempotencyKey: subject.key,
  });
}

/** Answers as a person or another system would; null, or the code of the refusal. */
async function send(
  client: Client,
  world: CaseWorld,
  { id }: Subject,
  signal: ScriptedSignal,
  idempotencyKey: string,
): Promise<string | null> {
  try {
    if ('approve' in signal || 'reject' in signal) {
      const { items } = await client.listApprovals({ query: { execution_id: id } });
      const found = items.find(({ step }) => step === signal.step);
      if (found === undefined) throw new Error(`${signal.step} has asked for no approval`);
      const { comment } = signal;
      await client.answerApproval({
        approval_id: found.id,
        idempotencyKey,
        body: {
          decision: 'approve' in signal ? 'approved' : 'rejected',
          ...(comment === undefined ? {} : { comment }),
        },
      });
      return null;
    }
    const token = world.token(id, signal.step);
    if (token === null) throw new Error(`${signal.step} has handed out no token`);
    if ('complete' in signal) {
      await client.completeCallback({ token, idempotencyKey, body: { result: signal.complete } });
    } else if ('fail' in signal) {
      await client.failCallback({ token, idempotencyKey, body: signal.fail });
    } else await client.heartbeatCallback({ token, idempotencyKey });
    return null;
  } catch (error) {
    if (!(error instanceof CloudFlowError) || isPassing(error)) throw error;
    return error.code;
  }
}

/** The same request may succeed in a moment. */
function isPassing(error: unknown): boolean {
  return hasErrorCode(error, 'UNAVAILABLE') || hasErrorCode(error, 'IDEMPOTENCY_IN_PROGRESS');
}

/** In order of start, a few at a time. */
async function eachOf<T, R>(
  items: readonly T[],
  act: (item: T, index: number) => Promise<R>,
): Promise<R[]> {
  const results: R[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let i = next++; i < items.length; i = next++) results[i] = await act(items[i] as T, i);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return results;
}

/** A UUID v7 of a time and a name, as a client may choose one. */
function uuid7(at: number, name: string): string {
  const hex = createHash('sha256').update(name).digest('hex');
  const time = at.toString(16).padStart(12, '0');
  return `${time.slice(0, 8)}-${time.slice(8)}-7${hex.slice(0, 3)}-8${hex.slice(3, 6)}-${hex.slice(6, 18)}`;
}
