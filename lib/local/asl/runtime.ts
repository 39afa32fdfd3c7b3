/**
 * Step Functions in this process, as far as a runtime of executions goes: start, stop, describe,
 * history, task tokens, and going on after a restart.
 *
 * Owns which executions are open and who waits for them. One execution is an Actor's.
 *
 *  R1 an execution is open at most once here; two processes on one store collide on row numbers,
 *     and the one that loses reads again.
 *  R2 at most `maxOpenExecutions` are open, at most `maxConcurrentWork` evaluations and as
 *     many invocations run at once. A start over the limit is refused, a resume waits for room.
 *  R3 what a state machine ARN names never changes: running executions keep their definition.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Problem } from '#core/errors.ts';
import { canonicalJson } from '#core/json.ts';
import { Actor, type ActorHost } from './actor.ts';
import { childName, executionArnOf, laneOfToken, machineNameOf, newTaskToken } from './arns.ts';
import { describe, outcomeOf } from './describe.ts';
import { createExecution, type Execution, isTask } from './execution.ts';
import { applyRow } from './fold.ts';
import { createGate } from './gate.ts';
import { type HistoryRow, rowOfText, storedRow } from './history.ts';
import { LIMITS, type Machine, type TaskState } from './machine.ts';
import { createMachineLoader } from './machine-loader.ts';
import type {
  ExecutionDescription,
  RuntimeOptions,
  StartRequest,
  StartResult,
  StateMachineRuntime,
  TokenResult,
} from './runtime-types.ts';
import type { Visit } from './work.ts';
import { type ChildOutcome, EXECUTION_NAME, taskFailed, taskSucceeded } from './work-task.ts';

export type * from './runtime-types.ts';

const REOPEN_MS = 1_000;
const REOPEN_MAX_MS = 60_000;
const RESUME_PAGE = 100;

export function createStateMachineRuntime(options: RuntimeOptions): StateMachineRuntime {
  const { clock, store, definitions, ids, tasks } = options;
  const maxOpen = options.maxOpenExecutions ?? 10_000;
  const actors = new Map<string, Actor>();
  const opening = new Map<string, Promise<Execution | null>>();
  const ends = new Map<string, ((result: ExecutionDescription | Error) => void)[]>();
  const reopening = new Map<string, { cancel(): void }>();
  /** Faults since an execution was first opened: each doubles the pause before the next try. */
  const faults = new Map<string, number>();
  const loadMachine = createMachineLoader(definitions);
  let closed = false;
  let busy = 0;
  let quiet: (() => void)[] = [];
  /** Where a resume stopped for want of room; null when there is nothing left to resume. */
  let backlog: { readonly after: string | null } | null = null;

  const host: ActorHost = {
    clock,
    store,
    evaluator: options.evaluator,
    random: () => Number.parseInt(ids.random().slice(0, 8), 16) / 2 ** 32,
    newToken: (executionArn, lane) => newTaskToken(executionArn, lane, ids.random()),
    evaluating: createGate(options.maxConcurrentWork ?? 64),
    invoking: createGate(options.maxConcurrentWork ?? 64),
    busy: track,
    outside: {
      invoke: (caller, functionName, payload) =>
        tasks.invokeLambda({ ...caller, functionName, payload }),
      startChild: (caller, parameters) => startChild(caller, parameters),
      waitChild: async (executionArn) => outcomeOf(await waitForExecution(executionArn)),
      stopChild: (executionArn, cause) => {
        stopExecution(executionArn, null, cause).catch((error: unknown) => {
          options.onFault(error, executionArn);
        });
      },
    },
    onEnd(actor) {
      const { arn } = actor.execution;
      actors.delete(arn);
      faults.delete(arn);
      const description = describe(actor.execution);
      for (const end of take(ends, arn)) end(description);
      if (backlog !== null && !closed) void track(resume()).catch(reportResume);
    },
    onFault(actor, error) {
      const { arn } = actor.execution;
      actors.delete(arn);
      options.onFault(error, arn);
      reopenLater(arn);
    },
  };

  function reportResume(error: unknown): void {
    options.onFault(error, '');
  }

  function track<T>(work: Promise<T>): Promise<T> {
    busy += 1;
    return work.finally(() => {
      busy -= 1;
      if (busy > 0) return;
      const resolvers = quiet;
      quiet = [];
      for (const resolve of resolvers) resolve();
    });
  }

  function reopenLater(arn: string): void {
    if (closed || reopening.has(arn)) return;
    const count = faults.get(arn) ?? 0;
    faults.set(arn, count + 1);
    const delay = Math.min(REOPEN_MS * 2 ** count, REOPEN_MAX_MS);
    const timer = clock.after(delay, () => {
      reopening.delete(arn);
      track(open(arn)).catch((error: unknown) => {
        options.onFault(error, arn);
        reopenLater(arn);
      });
    });
    reopening.set(arn, timer);
  }

  /** The execution, open when it is running; null when there is none. */
  function open(arn: string): Promise<Execution | null> {
    const actor = actors.get(arn);
    if (actor !== undefined) return Promise.resolve(actor.execution);
    const under = opening.get(arn);
    if (under !== undefined) return under;
    const promise = read(arn).finally(() => opening.delete(arn));
    opening.set(arn, promise);
    return promise;
  }

  async function read(arn: string): Promise<Execution | null> {
    const rows = (await store.load(arn)).map(rowOfText);
    const [first] = rows;
    if (first?.note?.kind !== 'started') return null;
    const machine = await loadMachine(first.note.start.machineArn);
    if (machine === null || 'problems' in machine) {
      throw new Error(`the machine of ${arn} cannot be loaded: ${first.note.start.machineArn}`);
    }
    return adopt(arn, machine, rows);
  }

  function adopt(arn: string, machine: Machine, rows: readonly HistoryRow[]): Execution {
    const execution = createExecution(arn, machine);
    for (const row of rows) applyRow(execution, row);
    if (execution.status !== 'RUNNING') {
      faults.delete(arn);
      for (const end of take(ends, arn)) end(describe(execution));
    } else if (!closed) {
      const actor = new Actor(execution, host);
      actors.set(arn, actor);
      actor.drive();
    }
    return execution;
  }

  async function startExecution(request: StartRequest, startKey = ''): Promise<StartResult> {
    const refuse = (
      error: (StartResult & { ok: false })['error'],
      message: string,
      problems?: readonly Problem[],
    ): StartResult => ({
      ok: false,
      error,
      message,
      ...(problems === undefined ? {} : { problems }),
    });
    const { name, stateMachineArn, input } = request;
    if (!EXECUTION_NAME.test(name)) return refuse('InvalidName', `'${name}' is not a name`);
    const text = JSON.stringify(input);
    if (Buffer.byteLength(text) > LIMITS.payloadBytes) {
      return refuse('InvalidExecutionInput', `at most ${LIMITS.payloadBytes} bytes are allowed`);
    }
    const machine = await loadMachine(stateMachineArn);
    if (machine === null) {
      return refuse('StateMachineDoesNotExist', `there is no state machine '${stateMachineArn}'`);
    }
    if ('problems' in machine) {
      return refuse('InvalidDefinition', 'the definition has problems', machine.problems);
    }
    const arn = executionArnOf(stateMachineArn, name);
    const same = await existing(arn, request, startKey);
    if (same !== null) return same;
    if (closed || actors.size >= maxOpen) {
      return refuse('ExecutionLimitExceeded', `${maxOpen} executions are running`);
    }
    const row = firstRow(request, text, startKey);
    if (!(await track(store.append(arn, [storedRow(row)])))) {
      // Somebody started it since we looked.
      const other = await existing(arn, request, startKey);
      return other ?? refuse('ExecutionAlreadyExists', `execution '${name}' exists`);
    }
    adopt(arn, machine, [row]);
    return { ok: true, executionArn: arn, startDate: clock.now() };
  }

  function firstRow(request: StartRequest, input: string, startKey: string): HistoryRow {
    return {
      seq: 1,
      lane: '',
      event: {
        id: 1,
        previousEventId: 0,
        timestamp: new Date(clock.now()).toISOString(),
        type: 'ExecutionStarted',
        executionStartedEventDetails: {
          input,
          inputDetails: { truncated: false },
          roleArn: options.roleArn ?? 'arn:aws:iam::000000000000:role/local',
        },
      },
      note: {
        kind: 'started',
        start: {
          tenant: request.tenant,
          name: request.name,
          machineArn: request.stateMachineArn,
          machineName: machineNameOf(request.stateMachineArn),
          startKey,
        },
      },
    };
  }

  /** Standard starts are idempotent while the execution runs and its input is the same. */
  async function existing(
    arn: string,
    request: StartRequest,
    startKey: string,
  ): Promise<StartResult | null> {
    const execution = await track(open(arn));
    if (execution === null) return null;
    const sameStart = startKey !== '' && execution.start?.startKey === startKey;
    const sameInput = canonicalJson(execution.input) === canonicalJson(request.input);
    if (sameStart || (execution.status === 'RUNNING' && sameInput)) {
      return { ok: true, executionArn: arn, startDate: Date.parse(execution.startTime) };
    }
    const message = `execution '${request.name}' exists with another input or has ended`;
    return { ok: false, error: 'ExecutionAlreadyExists', message };
  }

  const startChild: ActorHost['outside']['startChild'] = async (caller, parameters) => {
    const stateMachineArn = String(parameters['StateMachineArn']);
    const given = parameters['Name'];
    const name = typeof given === 'string' ? given : childName(caller.attemptKey);
    const input = parameters['Input'] ?? {};
    const { tenant } = caller;
    if (tasks.runExecution !== undefined && (await definitions.load(stateMachineArn)) === null) {
      const startDate = clock.now();
      const outcome = await tasks.runExecution({ ...caller, stateMachineArn, name, input });
      const child: ChildOutcome = {
        executionArn: executionArnOf(stateMachineArn, name),
        stateMachineArn,
        name,
        status: outcome.ok ? 'SUCCEEDED' : 'FAILED',
        input,
        output: outcome.ok ? outcome.payload : null,
        error: outcome.ok ? null : outcome.error,
        cause: outcome.ok ? null : outcome.cause,
        startDate,
        stopDate: clock.now(),
      };
      return { kind: 'ended', child };
    }
    const request = { tenant, stateMachineArn, name, input };
    const started = await startExecution(request, caller.attemptKey);
    if (started.ok) return { kind: 'started', ...started };
    const { error, message } = started;
    return { kind: 'refused', error: `StepFunctions.${error}Exception`, cause: message };
  };

  async function stopExecution(
    executionArn: string,
    error: string | null,
    cause: string | null,
  ): Promise<boolean> {
    const execution = await open(executionArn);
    if (execution === null) return false;
    await actors.get(executionArn)?.stop({ error, cause });
    return true;
  }

  async function waitForExecution(executionArn: string): Promise<ExecutionDescription> {
    const execution = await open(executionArn);
    if (execution === null) throw new Error(`there is no execution '${executionArn}'`);
    // One that has ended in memory but not in the store is still an actor's.
    if (!actors.has(executionArn) && execution.status !== 'RUNNING') return describe(execution);
    if (closed) throw new Error('the runtime is closed');
    return new Promise((resolve, reject) => {
      const waiting = ends.get(executionArn) ?? [];
      waiting.push((result) => (result instanceof Error ? reject(result) : resolve(result)));
      ends.set(executionArn, waiting);
    });
  }

  /** Finds the waiting task of a token and writes what `answer` makes of it. */
  async function answerToken(
    token: string,
    answer: (visit: Visit, state: TaskState, actor: Actor) => Parameters<Actor['write']>[0][number],
  ): Promise<TokenResult> {
    const place = laneOfToken(token);
    if (place === null) return { ok: false, error: 'InvalidToken' };
    const execution = await open(place.executionArn);
    if (execution === null) return { ok: false, error: 'InvalidToken' };
    const actor = actors.get(place.executionArn);
    const lane = actor?.execution.lanes.get(place.lane);
    // A token is good once: an answered, timed out or repeated attempt has another one or none.
    if (actor === undefined || lane === undefined || !isTask(lane.position)) {
      return { ok: false, error: 'TaskTimedOut' };
    }
    if (lane.position.task.token !== token) return { ok: false, error: 'TaskTimedOut' };
    const { frame } = lane.position;
    const visit: Visit = { execution: actor.execution, lane, frame };
    await track(actor.write([answer(visit, frame.state as TaskState, actor)]));
    return { ok: true };
  }

  async function resume(): Promise<void> {
    let after = backlog?.after ?? null;
    backlog = null;
    for (;;) {
      const page = await store.unfinished(after, RESUME_PAGE);
      for (const arn of page) {
        if (closed) return;
        if (actors.size >= maxOpen) {
          backlog = { after };
          return;
        }
        try {
          await open(arn);
        } catch (error) {
          // One history that cannot be read must not hold up the others.
          options.onFault(error, arn);
        }
        after = arn;
      }
      if (page.length < RESUME_PAGE) return;
    }
  }

  return {
    startExecution: (request) => startExecution(request),
    stopExecution,
    waitForExecution,
    resume,
    async describeExecution(executionArn) {
      const execution = await open(executionArn);
      if (execution === null) return null;
      await actors.get(executionArn)?.whenStored();
      return describe(execution);
    },
    async getExecutionHistory(executionArn) {
      await actors.get(executionArn)?.whenStored();
      const rows = (await store.load(executionArn)).map(rowOfText);
      return rows.length === 0 ? null : rows.flatMap(({ event }) => event ?? []);
    },
    sendTaskSuccess(token, output) {
      if (Buffer.byteLength(JSON.stringify(output)) > LIMITS.payloadBytes) {
        return Promise.resolve({ ok: false, error: 'InvalidOutput' });
      }
      return answerToken(token, (visit, state, actor) =>
        taskSucceeded(visit, state, output, actor.env()),
      );
    },
    sendTaskFailure: (token, error, cause) =>
      answerToken(token, (visit, state, actor) =>
        taskFailed(visit, state, { error, cause }, actor.env()),
      ),
    sendTaskHeartbeat: (token) =>
      answerToken(token, ({ lane }) => ({
        lane: lane.id,
        event: null,
        note: { kind: 'heartbeat', at: clock.now() },
      })),
    async idle() {
      while (busy > 0) {
        await new Promise<void>((resolve) => quiet.push(resolve));
        // What has just ended may be about to begin the next thing.
        await nextTurn();
      }
    },
    async close() {
      closed = true;
      for (const timer of reopening.values()) timer.cancel();
      reopening.clear();
      // What is made is stored before the end; what is under way outside is asked again later.
      await Promise.allSettled([...actors.values()].map((actor) => actor.whenStored()));
      for (const actor of actors.values()) actor.close('the runtime is closed');
      actors.clear();
      for (const arn of [...ends.keys()]) {
        for (const end of take(ends, arn)) end(new Error('the runtime is closed'));
      }
    },
  };
}

function take<T>(map: Map<string, T[]>, key: string): T[] {
  const taken = map.get(key) ?? [];
  map.delete(key);
  return taken;
}
