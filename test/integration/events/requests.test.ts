import { afterEach, beforeEach, expect, it } from 'vitest';
import { createKafkaEventLog } from '#adapters/kafka/event-log.ts';
import { createKafkaRequests } from '#adapters/kafka/requests.ts';
import { reconcileTopics } from '#adapters/kafka/topics.ts';
import { createIds } from '#adapters/local/ids.ts';
import { createJsonLog, createSilentLog } from '#adapters/local/json-log.ts';
import { createSystemClock } from '#adapters/local/system-clock.ts';
import { createLocalMetrics, type LocalMetrics } from '#adapters/metrics/local-metrics.ts';
import { createCommandedSignals } from '#adapters/postgres/commanded-signals.ts';
import { createPlainCodec } from '#adapters/postgres/payload-codec.ts';
import { createXrayTracer } from '#adapters/xray/tracer.ts';
import { TIME_LIMITS } from '#config/time-limits.ts';
import { COMMANDS_TOPIC, REPLIES_TOPIC } from '#config/topics.ts';
import type { Program } from '#core/plan/program.ts';
import type { Clock } from '#ports/clock.ts';
import type { EngineControl } from '#ports/engine-control.ts';
import type { EventLog } from '#ports/event-log.ts';
import { NO_METRICS } from '#ports/metrics.ts';
import { REQUEST_HEADERS } from '#ports/requests.ts';
import { NO_TRACER, type Tracer } from '#ports/tracer.ts';
import { createEngineControl } from '#services/events/ask-engines.ts';
import { listenForCommands } from '#services/events/commands.ts';
import { controlMessage } from '#services/events/control-message.ts';
import { createObedience } from '#services/events/obey-commands.ts';
import { createTestDatabase, type TestDatabase } from '#test/support/database.ts';
import { describeWithKafka, type KafkaBroker, startKafka } from '#test/support/kafka.ts';
import {
  createTestPlatform,
  OTHER_TENANT,
  programOf,
  TENANT,
  type TestPlatform,
} from '#test/support/platform.ts';
import { startTraceDaemon } from '#test/support/trace-daemon.ts';

const HOUR_MS = 3_600_000;
const PAUSE = { kind: 'pause', by: 'ada' } as const;
/** So long that only an answer ends a question, and so short that none is waited for. */
const PATIENT_MS = 60_000;
const IMPATIENT_MS = 1_500;

describeWithKafka('asking engines over Kafka', () => {
  let database: TestDatabase;
  let broker: KafkaBroker;
  let waits: Program;
  let closers: (() => Promise<void>)[];
  let lines: string[];
  let metrics: LocalMetrics;

  beforeEach(async () => {
    database = await createTestDatabase();
    [broker] = (await startKafka()) as [KafkaBroker];
    await reconcileTopics(
      { brokers: async () => [broker.address], login: null, clientId: 'test' },
      [
        { name: COMMANDS_TOPIC, partitions: 4, retentionDays: 1 },
        { name: REPLIES_TOPIC, partitions: 2, retentionDays: 1 },
      ],
      { factor: 1, minInSync: 1 },
    );
    waits = programOf({
      workflow_id: 'waits',
      version: '1.0.0',
      steps: [{ id: 'nap', type: 'wait', config: { duration: '30d' } }],
    });
    closers = [];
    lines = [];
    metrics = createLocalMetrics();
  }, 120_000);
  afterEach(stop, 120_000);

  const clock = createSystemClock();
  const access = () => ({ brokers: async () => [broker.address], login: null, clientId: 'test' });
  const signals = () =>
    createCommandedSignals({ pool: database.pool('cloudflow_app'), codec: createPlainCodec() });

  function openLog(): EventLog {
    const log = createKafkaEventLog(access(), {
      ...{ clock, log: createSilentLog(), metrics: NO_METRICS },
    });
    closers.push(() => log.close());
    return log;
  }

  /** An engine that looks for nothing by itself: what it hears it hears from its topic. */
  async function openEngine(
    own: Pick<Clock, 'now' | 'after'> = clock,
    tracer: Tracer = NO_TRACER,
  ): Promise<TestPlatform> {
    const platform = createTestPlatform({
      url: database.url,
      programs: [waits],
      performer: {
        call: () => Promise.reject(new Error('nothing here calls out')),
        compensate: () => Promise.reject(new Error('nothing here calls out')),
      },
      limits: { pollMs: HOUR_MS },
      adopt: false,
    });
    await platform.engine.start();
    const kafka = openLog();
    const obedience = createObedience({
      ...{ signals: signals(), hints: platform.engine.hints, replies: kafka },
      ...{ clock: { ...clock, ...own }, log: createSilentLog(), tracer },
    });
    const listening = listenForCommands(kafka, platform.engine, obedience);
    closers.push(async () => {
      await listening.close();
      await platform.close();
    });
    return platform;
  }

  function openControl(timeoutMs: number, random = 0.9): EngineControl {
    const log = createJsonLog({
      write: (line) => void lines.push(line),
      ...{ level: 'debug', time: () => '' },
    });
    const requests = createKafkaRequests(access(), {
      ...{ clock, log, metrics: NO_METRICS, random: () => random, timeoutMs },
    });
    closers.push(() => requests.close());
    return createEngineControl({
      ...{ requests, signals: signals(), clock, ids: createIds(), log, metrics },
      hints: { accepted: () => undefined, signalled: () => undefined },
    });
  }

  /** Ends what was opened, as the end of a process does. */
  async function stop(): Promise<void> {
    for (const close of closers.splice(0).reverse()) await close();
  }

  /** An execution that waits for a month. */
  async function accepted(platform: TestPlatform): Promise<string> {
    const request = platform.request(waits);
    await platform.access.accept(request);
    platform.engine.hints.accepted({ tenant: TENANT, executionId: request.id, runtime: 'engine' });
    const status = async () => (await platform.access.getExecution(TENANT, request.id))?.status;
    await expect.poll(status, { timeout: 60_000, interval: 50 }).toBe('RUNNING');
    return request.id;
  }
  /** How often it was paused, as its log says, and signals that nobody has heard. */
  async function told(
    { access }: TestPlatform,
    id: string,
  ): Promise<{ paused: number; unheard: number }> {
    const page = await access.listEvents(TENANT, id, { limit: 100, after: null });
    const paused = page.items.filter(({ event }) => event.type === 'execution_paused').length;
    const loaded = await access.loadExecution(TENANT, id);
    return { paused, unheard: loaded?.signals.length ?? -1 };
  }

  it('answers when it was heard, to each who asked, also where two read one partition', async () => {
    const platform = await openEngine();
    const ids = [await accepted(platform), await accepted(platform), await accepted(platform)];
    const controls = [0.9, 0.9, 0.1].map((random) => openControl(PATIENT_MS, random));
    const answers = await Promise.all(
      controls.map((control, i) => control.signal(TENANT, ids[i] as string, PAUSE)),
    );
    expect(answers).toEqual(ids.map(() => ({ kind: 'stored' })));
    // Nothing is waited for here: the answer came after the engine had recorded it.
    for (const id of ids) expect(await told(platform, id)).toEqual({ paused: 1, unheard: 0 });
    // And again, by a process that was at rest between its questions.
    const resumed = await controls[0]?.signal(TENANT, ids[0] as string, {
      ...{ kind: 'resume', by: 'ada' },
    });
    expect(resumed).toEqual({ kind: 'stored' });
    expect(lines).toEqual([]);
    expect(metrics.text()).not.toContain('not_heard');
  }, 180_000);

  it('does what it is asked within the trace of whoever asks', async () => {
    const daemon = await startTraceDaemon();
    const tracer = createXrayTracer({
      ...{ name: 'engine', host: 'container', now: () => clock.now() },
      environment: { AWS_XRAY_DAEMON_ADDRESS: daemon.address },
    });
    closers.push(async () => {
      tracer.close();
      await daemon.close();
    });
    const platform = await openEngine(clock, tracer);
    const id = await accepted(platform);
    const [root, parent] = ['1-67890007-aaaaaaaaaaaaaaaaaaaaaaaa', 'b'.repeat(16)];
    const control = openControl(PATIENT_MS);
    await control.signal(TENANT, id, PAUSE, `Root=${root};Parent=${parent};Sampled=1`);
    await control.signal(TENANT, id, { kind: 'resume', by: 'ada' });
    expect(lines).toEqual([]);
    await expect.poll(() => daemon.documents, { timeout: 60_000 }).toHaveLength(1);
    expect(daemon.documents[0]).toMatchObject({
      ...{ name: 'engine', trace_id: root, parent_id: parent },
      annotations: { what: 'command', execution: id, signal: 'pause' },
    });
  }, 180_000);

  it('says of what has ended, and of what is nobody’s, what the database says', async () => {
    const platform = await openEngine();
    const control = openControl(PATIENT_MS);
    const id = await accepted(platform);
    const cancel = { kind: 'cancel', by: null, compensate: null, reason: null } as const;
    expect(await control.signal(TENANT, id, cancel)).toEqual({ kind: 'stored' });
    expect((await platform.access.getExecution(TENANT, id))?.status).toBe('CANCELLED');
    expect(await control.signal(TENANT, id, cancel)).toEqual({
      ...{ kind: 'finished', status: 'CANCELLED' },
    });
    const other = await accepted(platform);
    expect(await control.signal(OTHER_TENANT, other, PAUSE)).toEqual({ kind: 'not_found' });
    expect(await told(platform, other)).toEqual({ paused: 0, unheard: 0 });
    expect(lines).toEqual([]);
  }, 180_000);

  it('does it itself where no engine answers, and a late engine does it no second time', async () => {
    const platform = await openEngine();
    const id = await accepted(platform);
    await stop();
    const control = openControl(IMPATIENT_MS);
    expect(await control.signal(TENANT, id, PAUSE)).toEqual({ kind: 'stored' });
    expect(lines.join()).toContain('ENGINE_NOT_HEARD');
    expect(metrics.text()).toContain('cloudflow_engines_not_heard_total 1\n');
    const { rows } = await database.admin.query('select payload from execution_signals');
    expect(rows).toHaveLength(1);
    // Its clock is an hour behind, so it takes nothing for late; the command waits on the topic.
    const late = await openEngine({ ...clock, now: () => clock.now() - HOUR_MS });
    const answers: string[] = [];
    openLog().subscribe({
      ...{ group: 'watches', topic: REPLIES_TOPIC, most: 10 },
      async handle({ messages }) {
        answers.push(...messages.map(({ value }) => value));
        return messages.length;
      },
    });
    // It has read the command when it answers, which nobody waits for.
    await expect.poll(() => answers, { timeout: 90_000, interval: 100 }).toHaveLength(1);
    expect(answers).toEqual(['{"answer":"stored"}']);
    expect(await told(late, id)).toEqual({ paused: 1, unheard: 0 });
  }, 240_000);

  it('begins nothing that nobody waits for any more, and passes over what is no question', async () => {
    const platform = await openEngine();
    const id = await accepted(platform);
    const log = openLog();
    const put = (value: string, headers: Record<string, string>) =>
      log.append(COMMANDS_TOPIC, [{ tenant: TENANT, key: id, value, headers }]);
    const command = createIds().random();
    const about = (deadline: number) => ({
      ...{ [REQUEST_HEADERS.id]: command, [REQUEST_HEADERS.replyTo]: '0' },
      [REQUEST_HEADERS.deadline]: String(deadline),
    });
    const value = controlMessage(
      { id: command, tenant: TENANT, executionId: id, signal: PAUSE },
      clock.now(),
    );
    await put(value, about(clock.now() - 1));
    await put('no JSON', about(clock.now() + HOUR_MS));
    await put(value.replace(TENANT, OTHER_TENANT), about(clock.now() + HOUR_MS));
    await put(value.replace('"pause"', '"child_ended"'), about(clock.now() + HOUR_MS));
    await put(value, {});
    // Of the same key, so behind them.
    const control = openControl(PATIENT_MS);
    expect(
      await control.signal(TENANT, id, {
        kind: 'cancel',
        by: null,
        compensate: null,
        reason: null,
      }),
    ).toEqual({ kind: 'stored' });
    expect(await told(platform, id)).toEqual({ paused: 0, unheard: 0 });
    expect((await platform.access.getExecution(TENANT, id))?.status).toBe('CANCELLED');
  }, 180_000);

  it('with brokers away does it itself, and no later than it may', async () => {
    const platform = await openEngine();
    const id = await accepted(platform);
    await broker.kill();
    const control = openControl(IMPATIENT_MS);
    expect(await control.signal(TENANT, id, PAUSE)).toEqual({ kind: 'stored' });
    expect(await told(platform, id)).toEqual({ paused: 0, unheard: 1 });
    platform.engine.wake();
    platform.engine.hints.signalled({
      ...{ tenant: TENANT, executionId: id, runtime: 'engine', signal: PAUSE },
    });
    const heard = () => told(platform, id);
    await expect.poll(heard, { timeout: 60_000 }).toEqual({ paused: 1, unheard: 0 });
    await broker.start();
  }, 240_000);
});

it('a question is given five seconds, by the clock', async () => {
  let fire: (() => void) | null = null;
  const asked: number[] = [];
  const clock: Clock = {
    ...createSystemClock(),
    after(ms, then) {
      asked.push(ms);
      fire ??= then;
      return { cancel: () => undefined };
    },
  };
  const requests = createKafkaRequests(
    // A cluster whose brokers are never told.
    { brokers: () => new Promise(() => undefined), login: null, clientId: 'test' },
    {
      ...{ clock, log: createSilentLog(), metrics: NO_METRICS, random: () => 0 },
      timeoutMs: TIME_LIMITS.reply,
    },
  );
  const question = { id: createIds().random(), tenant: TENANT, key: 'k', value: '{}' };
  let answer: string | null | undefined;
  const answered = requests.ask(COMMANDS_TOPIC, question).then((value) => {
    answer = value;
  });
  await Promise.resolve();
  expect([asked[0], answer]).toEqual([5_000, undefined]);
  (fire as unknown as () => void)();
  await answered;
  expect(answer).toBeNull();
});
