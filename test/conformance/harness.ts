/** One workflow in one world on one runtime, from acceptance to the end, on a virtual clock. */

import { setImmediate as nextTurn } from 'node:timers/promises';
import { checkWorkflow } from '#core/check-workflow.ts';
import { hasErrorCode } from '#core/errors.ts';
import { apply } from '#core/execution/apply.ts';
import { isFinal, type RecordedEvent } from '#core/execution/events.ts';
import { type ExecutionReport, report } from '#core/execution/report.ts';
import { type ExecutionState, initialState } from '#core/execution/state.ts';
import { derivedId, derivedIdAt } from '#core/ids.ts';
import type { Json, JsonObject } from '#core/json.ts';
import type { Program, Runtime } from '#core/plan/program.ts';
import { createInProcessEvaluator } from '#evaluator/in-process.ts';
import { createMemoryHistoryStore } from '#local/asl/memory-history-store.ts';
import { createVirtualClock } from '#local/virtual-clock.ts';
import type { Evaluator } from '#ports/evaluator.ts';
import type { Log } from '#ports/log.ts';
import type { StateMachineStatus } from '#ports/state-machines.ts';
import type { VersionRecord, WorkflowRecord } from '#ports/workflow-store.ts';
import { answerApproval } from '#services/executions/approvals.ts';
import {
  completeCallback,
  failCallback,
  heartbeatCallback,
} from '#services/executions/callbacks.ts';
import { retryExecution } from '#services/executions/retry-execution.ts';
import { PLAIN_ADMISSION, type Principal } from '#services/identity/principal.ts';
import { notFound } from '#services/shared/problems.ts';
import type { Catalog } from '#services/workflows/catalog.ts';
import { createMemoryExecutionStore } from '#test/support/memory-execution-store.ts';
import type { Retry, World as Script, ScriptedAnswer, ScriptedSignal } from './case.ts';
import { createProcess, type Process, type Seams, TENANT } from './process.ts';
import { createTestRealTime } from './real-time.ts';
import { type Call, createOutsideWorld, scripted } from './world.ts';

export interface Scenario {
  readonly name: string;
  readonly workflow: JsonObject;
  readonly others?: readonly JsonObject[] | undefined;
  readonly input: Json;
  readonly world?: Script | undefined;
  /** Once it has failed it is retried; what is then reported is the retry. */
  readonly retry?: Retry | undefined;
}

/** Kills the process at its n-th write (from 1), `every` further writes again. */
export interface Crash {
  readonly at: number;
  readonly moment: 'before' | 'after';
  readonly every?: number;
}

export interface RunOptions {
  readonly runtime: Runtime;
  /** Where children run; default: where their parent does. */
  readonly children?: Runtime;
  readonly seams?: Seams;
  readonly crash?: Crash;
}

export interface ExecutionResult {
  readonly workflowId: string;
  readonly report: ExecutionReport;
  readonly state: ExecutionState;
  readonly events: readonly RecordedEvent[];
  /** Null on the engine. */
  readonly machine: StateMachineStatus | null;
}

export interface RunResult {
  readonly rootId: string;
  readonly program: Program;
  readonly executions: ReadonlyMap<string, ExecutionResult>;
  readonly root: ExecutionResult;
  readonly calls: readonly Call[];
  readonly inFlight: ReadonlyMap<string, number>;
  /** Answers to scripted signals, in order: null, or the code of the refusal. */
  readonly refusals: readonly { readonly step: string; readonly code: string | null }[];
  readonly durationMs: number;
  /** Writes that a crash may be put at. */
  readonly writes: number;
  readonly restarts: number;
  readonly faults: readonly unknown[];
}

export const START = Date.parse('2026-01-01T00:00:00.000Z');
const MOST_MOVES = 20_000;
const REAL_TICK_MS = 250;
const KILLED = 'killed';

export class NotCompiled extends Error {
  readonly codes: readonly string[];
  constructor(codes: readonly string[], details: Json) {
    super(JSON.stringify(details));
    this.codes = codes;
  }
}

const programs = new WeakMap<JsonObject, Program>();

/** A definition that both runtimes can run, checked and compiled; throws `NotCompiled`. */
export function programOf(definition: JsonObject): Program {
  const known = programs.get(definition);
  if (known !== undefined) return known;
  const checked = checkWorkflow(definition);
  if (!checked.ok) {
    const codes = checked.problems.map(({ code }) => code);
    throw new NotCompiled(codes, checked.problems as unknown as Json);
  }
  if (checked.machine === null) {
    const { obstacles } = checked.report.choice;
    throw new NotCompiled(
      obstacles.map(({ code }) => code),
      obstacles as unknown as Json,
    );
  }
  programs.set(definition, checked.program);
  return checked.program;
}

/** One for all runs: it keeps nothing of them. How busy this machine is must not be an answer. */
const evaluator: Evaluator = createInProcessEvaluator({ timeoutMs: 60_000 });

export async function runScenario(scenario: Scenario, options: RunOptions): Promise<RunResult> {
  // A retry meets another world.
  const script: { -readonly [P in keyof Script]: Script[P] } = { ...scenario.world };
  const definitions = [scenario.workflow, ...(scenario.others ?? [])];
  const checked = definitions.map((definition) => ({ definition, program: programOf(definition) }));
  const [{ program }] = checked as [(typeof checked)[0]];
  const programs = new Map(checked.map((each) => [each.program.hash, each.program]));
  const store = createMemoryExecutionStore();
  const clock = createVirtualClock({ start: START, turns: 1 });
  const real = createTestRealTime();
  const firstId = derivedIdAt(START, scenario.name);
  let rootId = firstId;
  const faults: unknown[] = [];
  const refusals: { step: string; code: string | null }[] = [];
  const tokens = new Map<string, string>();
  let writes = 0;
  let crashes = 0;
  let restarts = 0;
  let random = 0;

  const world = createOutsideWorld({
    clock,
    start: START,
    script,
    attemptsBegun: (executionId, key, purpose) =>
      store.events(executionId).filter(({ event }) => {
        if (!('step' in event) || event.step !== key) return false;
        return purpose === 'step'
          ? event.type === 'step_started' || event.type === 'attempt_started'
          : event.type === 'compensation_attempt_started';
      }).length,
    onToken(executionId, key, token) {
      const name = `${executionId}/${key}`;
      const isFirst = !tokens.has(name);
      tokens.set(name, token);
      if (isFirst) answerAfter(executionId, key);
    },
  });

  const asked = new Set<string>();
  const makeProcess = (): Process =>
    createProcess({
      ...{ store, histories, programs, world, clock, real, evaluator },
      catalog: catalogOf(checked, options.children ?? options.runtime),
      ids: {
        next: (at) => derivedIdAt(at, `id ${++random}`),
        random: () => `${String(++random).padStart(8, '0')}-0000-4000-8000-000000000000`,
      },
      log: logTo(faults),
      seams: options.seams ?? {},
      fate() {
        writes += 1;
        const { crash } = options;
        if (crash === undefined) return null;
        const next = crash.at + crashes * (crash.every ?? Number.POSITIVE_INFINITY);
        if (writes !== (crashes === 0 ? crash.at : next)) return null;
        crashes += 1;
        return crash.moment;
      },
      onApproval(executionId, step) {
        const name = `${executionId}/${step}`;
        if (asked.has(name)) return;
        asked.add(name);
        answerAfter(executionId, step);
      },
      onFault: (fault) => faults.push(fault),
    });
  const histories = createMemoryHistoryStore();
  let current = makeProcess();

  function answerAfter(executionId: string, step: string): void {
    const answers: readonly ScriptedAnswer[] = scripted(script.answers, step) ?? [];
    for (const answer of answers) {
      clock.schedule(clock.now() + answer.after_ms, () => {
        send(executionId, { ...answer, at_ms: 0, step } as ScriptedSignal, false);
      });
    }
  }

  /** Answers as a person or another system does: through the services of the API. */
  function send(executionId: string, signal: ScriptedSignal, isNoted: boolean): void {
    const token = tokens.get(`${executionId}/${signal.step}`) ?? '';
    const persist = async (): Promise<string | null> => {
      for (let tries = 0; ; tries++) {
        const asked = current;
        const code = await Promise.race([
          answer(asked, executionId, signal, token),
          asked.death.then(() => KILLED),
        ]);
        // Whoever was not told asks again; that the first answer stands is then no refusal.
        if (code !== KILLED) return tries > 0 && code?.endsWith('ED') === true ? null : code;
        while (current === asked) await nextTurn();
      }
    };
    persist()
      .then((code) => {
        if (isNoted) refusals.push({ step: signal.step, code });
        else if (code !== null) refusals.push({ step: signal.step, code });
      })
      .catch((error: unknown) => faults.push(error));
  }

  for (const signal of script.signals ?? []) {
    clock.schedule(START + signal.at_ms, () => send(rootId, signal, true));
  }
  clock.addSettler(async () => {
    await Promise.race([real.quiet(), current.death]);
    await Promise.race([current.driver.look(), current.death]);
    await nextTurn();
    await Promise.race([real.quiet(), current.death]);
  });

  const begin = async (): Promise<void> => {
    await Promise.race([current.start(), current.death]);
  };
  const accept = async (): Promise<void> => {
    const { services } = current;
    await services.executions.accept({
      tenant: TENANT,
      mode: 'live',
      id: firstId,
      workflowId: program.workflowId,
      version: program.version,
      programHash: program.hash,
      runtime: options.runtime,
      input: scenario.input,
      rootId: firstId,
      parent: null,
      depth: 0,
      retryOf: null,
      carried: null,
      labels: {},
      correlationId: null,
      idempotency: null,
      now: clock.now(),
    });
    const hint = { tenant: TENANT, executionId: firstId, runtime: options.runtime };
    services.hints.accepted(hint);
  };

  const ended = (): boolean => {
    const ids = store.ids();
    return (
      ids.includes(rootId) &&
      ids.every((id) => isFinal(foldStatus(store.events(id)))) &&
      clockIsDone(script, clock.now())
    );
  };

  const untilEnded = async (): Promise<void> => {
    let stuck = 0;
    for (let moves = 0; ; moves++) {
      if (current.dead) {
        restarts += 1;
        current = makeProcess();
        await begin();
        continue;
      }
      // Whoever asked was not told: they ask again, with the same id.
      if (!store.ids().includes(firstId)) await Promise.race([accept(), current.death]);
      else if (!store.ids().includes(rootId) && scenario.retry !== undefined) {
        await Promise.race([retry(current, firstId, scenario.retry), current.death]);
      }
      await clock.settle();
      if (current.dead) continue;
      if (ended()) break;
      const before = writes;
      await real.advance(REAL_TICK_MS);
      await clock.settle();
      if (current.dead) continue;
      if (ended()) break;
      // Business time moves only when nothing else does: what polls has seen all there is to see.
      if (writes !== before) continue;
      if (await clock.advanceToNext()) stuck = 0;
      else if (++stuck > 12) throw stuckError(scenario, options, store.ids(), store.events, faults);
      else await Promise.race([current.driver.reconcile(), current.death]);
      if (moves > MOST_MOVES) throw new Error(`${scenario.name} does not come to an end`);
    }
  };

  await begin();
  await untilEnded();
  if (scenario.retry !== undefined && foldStatus(store.events(firstId)) === 'FAILED') {
    Object.assign(script, scenario.retry.world);
    rootId = retryId(firstId);
    await untilEnded();
  }

  const executions = new Map<string, ExecutionResult>();
  for (const id of store.ids()) {
    const events = store.events(id);
    const [first] = events;
    if (first?.event.type !== 'execution_created') throw new Error(`${id} has no beginning`);
    const own = programs.get(first.event.program_hash) as Program;
    let state = initialState({ id });
    for (const event of events) state = apply(own, state, event);
    executions.set(id, {
      workflowId: own.workflowId,
      report: report(own, state),
      state,
      events,
      machine: await current.machines.describe(TENANT, id),
    });
  }
  await current.stop();
  const root = executions.get(rootId) as ExecutionResult;
  return {
    ...{ rootId, program, executions, root, refusals, writes, restarts, faults },
    calls: world.calls,
    inFlight: world.inFlight,
    durationMs: (root.state.endedAt ?? 0) - START,
  };
}

const SOMEBODY: Omit<Principal, 'subject'> = {
  tenant: TENANT,
  mode: 'live',
  permissions: [],
  workflows: null,
  endsAt: null,
  user: null,
  admission: PLAIN_ADMISSION,
};

/** As somebody does through the API, who asks again where nobody answered. */
async function retry({ services }: Process, id: string, { input }: Retry): Promise<void> {
  const ids = { ...services.ids, next: () => retryId(id) };
  const principal = { ...SOMEBODY, subject: 'ada' };
  const body = input === undefined ? {} : { input };
  const facts = { correlationId: 'test', idempotency: { key: `retry ${id}`, fingerprint: '' } };
  await retryExecution({ ...services, ids }, principal, id, body, facts);
}

/** The same on both runtimes: it is in idempotency keys. */
function retryId(id: string): string {
  return derivedIdAt(START, `retry of ${id}`);
}

/** Signals that must be refused come after the end: time goes on until they are sent. */
function clockIsDone(script: Script, now: number): boolean {
  return (script.signals ?? []).every(({ at_ms }) => START + at_ms <= now);
}

function foldStatus(events: readonly RecordedEvent[]) {
  for (const { event } of events) {
    if (event.type === 'execution_completed') return 'COMPLETED';
    if (event.type === 'execution_failed') return 'FAILED';
    if (event.type === 'execution_cancelled') return 'CANCELLED';
  }
  return 'RUNNING';
}

async function answer(
  { services }: Process,
  executionId: string,
  signal: ScriptedSignal,
  token: string,
): Promise<string | null> {
  try {
    if ('approve' in signal || 'reject' in signal) {
      const subject = 'approve' in signal ? signal.approve : signal.reject;
      const decision = 'approve' in signal ? 'approved' : 'rejected';
      const principal = { ...SOMEBODY, subject };
      const { comment } = signal;
      const body = { decision, ...(comment === undefined ? {} : { comment }) } as const;
      await answerApproval(
        services,
        principal,
        derivedId(executionId, `approval/${signal.step}`),
        body,
      );
    } else if ('complete' in signal) {
      await completeCallback(services, token, { result: signal.complete });
    } else if ('fail' in signal) await failCallback(services, token, signal.fail);
    else await heartbeatCallback(services, token);
    return null;
  } catch (error) {
    for (const code of ['APPROVAL_ANSWERED', 'CALLBACK_FINISHED', 'NOT_FOUND'] as const) {
      if (hasErrorCode(error, code)) return code;
    }
    throw error;
  }
}

function catalogOf(
  checked: readonly { readonly definition: JsonObject; readonly program: Program }[],
  runtime: Runtime,
): Catalog {
  const byId = new Map(checked.map((each) => [each.program.workflowId, each]));
  const find = (workflowId: string) => {
    const found = byId.get(workflowId);
    if (found !== undefined) return found;
    throw notFound('workflow');
  };
  return {
    async workflow(tenant, mode, workflowId): Promise<WorkflowRecord> {
      const { program } = find(workflowId);
      return {
        ...{ tenant, mode, workflowId, version: program.version, description: null },
        ...{ runtime: 'auto', stepCount: program.root.steps.length, versionCount: 1 },
        ...{ revision: 1, createdAt: START, updatedAt: START, pause: null },
      };
    },
    async version(tenant, mode, workflowId): Promise<VersionRecord> {
      const { definition, program } = find(workflowId);
      return {
        ...{ tenant, mode, workflowId, version: program.version, description: null },
        ...{ definition, program, programHash: program.hash, definitionHash: program.hash },
        ...{ createdAt: START, createdBy: 'test', warnings: [], report: {} },
        runtime: { choice: 'auto', auto: runtime, reason: 'asked for', stepFunctionsProblems: [] },
      };
    },
    changed: () => Promise.resolve(),
  };
}

/** What a runtime complains of is a fault of the run, unless the script asked for it. */
function logTo(faults: unknown[]): Log {
  const log: Log = {
    debug: () => undefined,
    info: () => undefined,
    warn: () => undefined,
    error: (message, fields) => faults.push(`${message} ${JSON.stringify(fields ?? {})}`),
    with: () => log,
  };
  return log;
}

function stuckError(
  scenario: Scenario,
  options: RunOptions,
  ids: readonly string[],
  events: (id: string) => readonly RecordedEvent[],
  faults: readonly unknown[],
): Error {
  const tails = ids.map((id) => events(id).slice(-4));
  return new Error(
    `${scenario.name} on ${options.runtime} waits for ever: ${JSON.stringify({ tails, faults: faults.map(String) })}`,
  );
}
