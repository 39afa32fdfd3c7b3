import {
  failureCause,
  type PayloadOf,
  type RunnerBindings,
  type StepRunnerKind,
  type StepRunnerPayload,
} from '#core/asl/payload.ts';
import { isRetryableStepError, type StepErrorName, stepErrorCode } from '#core/errors.ts';
import { parseStepKey } from '#core/execution/events.ts';
import { byCompletion } from '#core/execution/ledger.ts';
import { indexOf } from '#core/execution/program-index.ts';
import { type Json, jsonBytes } from '#core/json.ts';
import { allSteps, type Program, type Step } from '#core/plan/program.ts';
import { createInProcessEvaluator } from '#evaluator/in-process.ts';
import type { HttpAnswer, World as Outside } from '#test/conformance/case.ts';
import {
  bad,
  type Handler,
  type Invocation,
  ok,
  START,
  type World,
} from '#test/local/asl/harness.ts';

/**
 * A step runner in memory, after the contract in core/asl/payload.ts and nothing else: what compiled
 * machines are tried with. The real one is lib/steps/runner.
 */
export interface Recorded {
  readonly verdict: string;
  readonly output: Json;
  readonly attempts: number;
}

export interface SmokeRunner {
  readonly handler: Handler;
  readonly records: Map<string, Recorded>;
  readonly callTimes: Map<string, number[]>;
  readonly compensations: string[];
  /** What the last report said. */
  readonly report: { status: string; error: string | null; compensation: string };
  readonly faults: unknown[];
}

class Failure extends Error {
  readonly code: string;
  readonly attempts: number;
  constructor(code: string, message: string, attempts = 1) {
    super(message);
    this.code = code;
    this.attempts = attempts;
  }
}

const failure = (name: StepErrorName, attempts = 1) =>
  new Failure(stepErrorCode(name), name, attempts);

export function createSmokeRunner(program: Program, input: Json, outside: Outside): SmokeRunner {
  const steps = new Map([...allSteps(program.root)].map((step) => [step.path, step]));
  const stepOf = (key: string): Step => {
    const step = steps.get(parseStepKey(key).path);
    if (step === undefined) throw new Error(`no step '${key}'`);
    return step;
  };
  const evaluator = createInProcessEvaluator();
  const records = new Map<string, Recorded>();
  const callTimes = new Map<string, number[]>();
  const ledger: { step: string; at: number }[] = [];
  const compensations: string[] = [];
  const report = { status: '', error: null as string | null, compensation: 'NONE' };
  const tokens = new Map<string, string>();
  const faults: unknown[] = [];
  let partial = false;
  let signalled = false;

  const succeed = (key: string, output: Json, attempts: number, at: number) => {
    const step = stepOf(key);
    if (jsonBytes(output) > step.maxOutputBytes) throw failure('OutputTooLarge', attempts);
    records.set(key, { verdict: 'S', output, attempts });
    if (step.compensate !== null) ledger.push({ step: key, at });
    return { output, attempts };
  };
  const shape = async (step: Step, raw: Json, bindings: RunnerBindings | undefined) => {
    const expression = 'result' in step ? step.result : null;
    if (expression === null || expression === undefined) return raw;
    const [result] = await evaluator.evaluate({
      tenant: 't',
      expressions: [expression.source],
      bindings: { ...(bindings as { [name: string]: Json }), input, result: raw },
      dialect: 'portable',
    });
    if (result?.ok !== true || result.value === undefined) throw failure('ExpressionError');
    return result.value;
  };
  const answerTo = (key: string, attempt: number): HttpAnswer => {
    const undo = key.startsWith('undo:') ? 'undo:' : '';
    const { path } = parseStepKey(key.slice(undo.length));
    const answers = outside.http?.[key] ?? outside.http?.[`${undo}${path}`] ?? [];
    return answers[Math.min(attempt, answers.length) - 1] ?? { body: { ok: true } };
  };
  const request = async (world: World, key: string, attempts: number, timeoutMs: number) => {
    const answer = answerTo(key, attempts);
    const delay = Math.min(answer.delay_ms ?? 0, timeoutMs);
    if (delay > 0) {
      await new Promise<void>((resolve) =>
        world.clock.schedule(world.clock.now() + delay, resolve),
      );
    }
    if ((answer.delay_ms ?? 0) > timeoutMs) throw failure('Timeout', attempts);
    if (answer.refused === true) throw failure('ConnectionError', attempts);
    const status = answer.status ?? 200;
    if (status === 429) throw failure('Throttled', attempts);
    if (status >= 500) throw failure('ServerError', attempts);
    if (status >= 400) throw failure('ClientError', attempts);
    return { status, headers: {}, body: answer.body ?? null };
  };
  const counted = (key: string, world: World): number => {
    const times = callTimes.get(key) ?? [];
    times.push(world.clock.now() - START);
    callTimes.set(key, times);
    return times.length;
  };

  type Run<K extends StepRunnerKind> = (
    payload: PayloadOf<K>,
    world: World,
  ) => Promise<Json> | Json;
  const run: { readonly [K in StepRunnerKind]: Run<K> } = {
    call: async (payload, world) => {
      const step = stepOf(payload.step);
      const attempts = counted(payload.step, world);
      const timeoutMs = 'timeoutMs' in step ? (step.timeoutMs ?? 1e9) : 1e9;
      const http = await request(world, payload.step, attempts, timeoutMs);
      const raw: Json = payload.type === 'database_operation' ? { row_count: 1 } : http;
      const output = await shape(step, raw, payload.bindings);
      return succeed(payload.step, output, attempts, world.clock.now());
    },
    transform: (payload, world) => succeed(payload.step, payload.value, 1, world.clock.now()),
    timer: (payload, world) => {
      const { duration, until } = payload;
      if (until === undefined && !(typeof duration === 'number' && duration >= 0)) {
        throw failure('ExpressionError');
      }
      const at =
        until === undefined
          ? world.clock.now() + Math.ceil((duration as number) / 1000) * 1000
          : (until as string);
      return { until: new Date(at).toISOString() };
    },
    fail: (payload) => {
      throw new Failure(payload.error, String(payload.message));
    },
    approval: (payload, world) => wait(payload.step, payload.token, world),
    callback: (payload, world) => wait(payload.step, payload.token, world),
    child: () => {
      throw new Error('children are not part of this');
    },
    items: (payload) => {
      const step = stepOf(payload.step);
      if (step.type === 'for_each' && payload.items.length > step.maxItems) {
        throw failure('TooManyItems');
      }
      return { items: payload.items };
    },
    container: (payload, world) => {
      const errors = { for_each: 'IterationFailed', loop: 'IterationFailed' } as const;
      const others = { branch: 'ArmFailed', group: 'GroupFailed' } as const;
      if (payload.failed > 0) throw failure({ ...errors, ...others }[payload.type]);
      return succeed(payload.step, payload.output, 1, world.clock.now());
    },
    record: () => ({}),
    ledger: () => {
      report.compensation = ledger.length === 0 ? 'NONE' : 'COMPLETE';
      const order = ledger.toSorted(byCompletion(indexOf(program))).reverse();
      return { steps: order.map(({ step }) => step) };
    },
    compensate: async (payload, world) => {
      const key = `undo:${payload.step}`;
      const attempts = counted(key, world);
      if (!compensations.includes(payload.step)) compensations.push(payload.step);
      await request(world, key, attempts, 30_000);
      return {};
    },
    report: (payload): Json => {
      report.status = payload.status;
      if (payload.status === 'COMPLETED') return { output: payload.output };
      report.error = payload.error.code;
      partial ||= payload.compensations.some((each) => 'step' in each);
      if (partial) report.compensation = 'PARTIAL';
      return { error: payload.error.code, cause: JSON.stringify(payload.error) };
    },
  };

  const wait = (key: string, token: string, world: World): Json => {
    tokens.set(key, token);
    if (!signalled) {
      signalled = true;
      for (const signal of outside.signals ?? []) {
        world.clock.schedule(START + signal.at_ms, () => {
          if (signal.refused === undefined) answer(signal, world).catch((e) => faults.push(e));
        });
      }
    }
    return {};
  };
  const answer = async (signal: NonNullable<Outside['signals']>[number], world: World) => {
    const token = tokens.get(signal.step) ?? '';
    const step = stepOf(signal.step);
    if ('heartbeat' in signal) {
      await world.runtime.sendTaskHeartbeat(token);
      return;
    }
    try {
      if ('fail' in signal) throw new Failure(signal.fail.code, signal.fail.message);
      const rejected = 'reject' in signal;
      if (rejected && step.type === 'approval' && step.onReject === 'fail') {
        throw failure('ApprovalRejected');
      }
      const output: Json =
        'complete' in signal
          ? signal.complete
          : {
              decision: rejected ? 'rejected' : 'approved',
              by: rejected ? signal.reject : signal.approve,
              at: world.clock.now(),
              comment: signal.comment ?? null,
            };
      const done = succeed(signal.step, output, 1, world.clock.now());
      await world.runtime.sendTaskSuccess(token, done);
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      fail(signal.step, error);
      const { attempts, message } = error;
      await world.runtime.sendTaskFailure(
        token,
        error.code,
        failureCause(error.code, { attempts, message }),
      );
    }
  };
  const fail = (key: string, { code, attempts }: Failure) => {
    const k = stepOf(key).continueOnFailure ? 'S' : 'F';
    records.set(key, { verdict: `${k} ${code}`, output: null, attempts });
  };

  const handler: Handler = async (call: Invocation, world) => {
    const payload = call.payload as unknown as StepRunnerPayload;
    for (const { step, record } of payload.records ?? []) {
      if (record === null || records.has(step)) continue;
      const { v } = record;
      const detail = v.error?.code ?? record.why;
      records.set(step, {
        verdict: detail === undefined ? record.k : `${record.k} ${detail}`,
        output: v.output,
        attempts: v.attempts,
      });
    }
    try {
      const work = run[payload.kind] as Run<StepRunnerKind>;
      return ok(await work(payload as never, world));
    } catch (error) {
      if (!(error instanceof Failure)) {
        faults.push(error);
        throw error;
      }
      if (payload.kind !== 'compensate' && 'step' in payload) fail(payload.step, error);
      const { code, attempts, message } = error;
      if (payload.kind === 'compensate' && !isRetryableStepError(code)) partial = true;
      return bad(code, failureCause(code, { attempts, message }));
    }
  };
  return { handler, records, callTimes, compensations, report, faults };
}
