import type { MachineStats } from '#core/asl/compile.ts';
import type { PlanReport } from '#core/plan/report.ts';
import { PRICES } from './prices.ts';

/**
 * What running a definition costs in dollars on each runtime, as far as the runtimes differ. The
 * database, the log, the API and whatever steps call cost the same on both and are left out.
 *
 *  C1 On Step Functions everything is paid per execution: transitions, and the step runner for as long as
 *     it works, waiting for answers included.
 *  C2 On the engine tasks are paid by the hour. An execution costs its share of them, which shrinks as
 *     the volume grows, until tasks have to be added.
 */
export interface RuntimeCosts {
  readonly perDay: number;
  /** Null where Step Functions cannot run the definition. */
  readonly stepFunctions: StepFunctionsCost | null;
  readonly engine: EngineCost;
  /** From so many executions a day on the engine is cheaper; null: never, or nothing to compare. */
  readonly breakEvenPerDay: number | null;
}

/** Dollars per million executions when all goes well. */
export interface StepFunctionsCost {
  readonly usdPerMillion: number;
  readonly transitions: number;
  readonly usdOfTransitions: number;
  readonly invocations: number;
  readonly usdOfRunner: number;
}

export interface EngineCost {
  /** Of the volume that was asked about; null where even all tasks that may run could not take it. */
  readonly usdPerMillion: number | null;
  readonly tasks: number;
  readonly usdPerDay: number;
}

/** The engine as a stage has it. */
export interface Fleet {
  /** 1,024 are a vCPU. */
  readonly cpu: number;
  readonly memoryMb: number;
  readonly minTasks: number;
  readonly maxTasks: number;
}

/** The volume that CloudFlow is made for. */
export const EXAMPLE_PER_DAY = 2_500_000;

const DAY_SECONDS = 86_400;
const MB_OF_GB = 1_024;
/**
 * Of one process of the engine for a step: docs/performance.md has 0.33 s of CPU for 1,000 executions of
 * 4 steps whose calls end at once. Calls over TLS take more, so four times that is reckoned with.
 */
export const STEP_CPU_MS = 0.33;
/** At which more tasks are started; a task is one process, which keeps one core busy whatever it has. */
export const BUSY_SHARE = 0.65;

/** Costs of a checked definition at so many executions a day. `runnerMb`: memory of the step runner. */
export function runtimeCosts(
  { steps }: Pick<PlanReport, 'steps'>,
  machine: MachineStats | null,
  at: { readonly perDay: number; readonly fleet: Fleet; readonly runnerMb: number },
): RuntimeCosts {
  const { perDay, fleet } = at;
  const stepFunctions = machine === null ? null : stepFunctionsCost(machine, at.runnerMb);
  const usdPerTask = usdOfTaskDay(fleet);
  const perTask = (BUSY_SHARE * DAY_SECONDS * 1_000) / (STEP_CPU_MS * Math.max(1, steps.length));
  const tasks = Math.max(fleet.minTasks, Math.ceil(perDay / perTask));
  const fits = tasks <= fleet.maxTasks;
  const usdPerDay = cents(Math.min(tasks, fleet.maxTasks) * usdPerTask);
  return {
    perDay,
    stepFunctions,
    engine: {
      tasks: Math.min(tasks, fleet.maxTasks),
      usdPerDay,
      usdPerMillion: fits ? cents((usdPerDay / perDay) * 1e6) : null,
    },
    breakEvenPerDay:
      stepFunctions === null ? null : breakEven(stepFunctions, fleet, usdPerTask, perTask),
  };
}

/** The least volume at which the tasks that it needs cost no more than Step Functions would. */
function breakEven(
  { usdPerMillion }: StepFunctionsCost,
  { minTasks, maxTasks }: Fleet,
  usdPerTask: number,
  perTask: number,
): number | null {
  for (let tasks = minTasks; tasks <= maxTasks; tasks += 1) {
    const volume = Math.ceil((tasks * usdPerTask * 1e6) / usdPerMillion);
    if (volume <= tasks * perTask) return volume;
  }
  return null;
}

function stepFunctionsCost(
  { transitions, tasks, runnerMs }: MachineStats,
  runnerMb: number,
): StepFunctionsCost {
  const usdOfTransitions = cents(transitions.happy * PRICES['states.transition'].usd * 1e6);
  const gigabyteSeconds = (runnerMs.happy / 1_000) * (runnerMb / MB_OF_GB);
  const usdOfRunner = cents(
    (tasks.happy * PRICES['lambda.request'].usd + gigabyteSeconds * PRICES['lambda.arm'].usd) * 1e6,
  );
  return {
    usdPerMillion: cents(usdOfTransitions + usdOfRunner),
    transitions: transitions.happy,
    usdOfTransitions,
    invocations: tasks.happy,
    usdOfRunner,
  };
}

/** A task for a day, at the price that is not taken away. */
export function usdOfTaskDay({ cpu, memoryMb }: Pick<Fleet, 'cpu' | 'memoryMb'>): number {
  const perHour =
    (cpu / 1_024) * PRICES['fargate.vcpu'].usd + (memoryMb / MB_OF_GB) * PRICES['fargate.gb'].usd;
  return perHour * 24;
}

function cents(usd: number): number {
  return Math.round(usd * 100) / 100;
}
