import type { FunctionName, StartedBy } from '#config/functions.ts';
import { FUNCTIONS, functionSpec } from '#config/functions.ts';
import { STEP_FUNCTIONS_PER_DAY } from '#config/placement.ts';
import type { Stage } from '#config/stages.ts';
import type { Trigger } from '#config/triggers.ts';
import { MONTH } from '#core/cost/prices.ts';
import { EXAMPLE_PER_DAY } from '#core/cost/runtimes.ts';

/** What a stage has to do: what resources are paid for besides being there. Assumed, not measured. */
export interface Load {
  readonly executionsPerDay: number;
  /** Of them. */
  readonly stepFunctionsPerDay: number;
  /** Of the API. */
  readonly requestsPerDay: number;
  readonly databaseGb: number;
  /** In each bucket. */
  readonly bucketGb: number;
  readonly mailsPerDay: number;
  /** WebSockets open at a time, on average. */
  readonly openSockets: number;
  /** Series of metrics of ours. */
  readonly metricSeries: number;
}

export const LOADS: { readonly [S in Stage]: Load } = {
  dev: {
    executionsPerDay: 1_000,
    stepFunctionsPerDay: STEP_FUNCTIONS_PER_DAY.dev,
    requestsPerDay: 5_000,
    databaseGb: 5,
    bucketGb: 1,
    mailsPerDay: 0,
    openSockets: 1,
    metricSeries: 100,
  },
  staging: {
    executionsPerDay: 20_000,
    stepFunctionsPerDay: STEP_FUNCTIONS_PER_DAY.staging,
    requestsPerDay: 400_000,
    databaseGb: 50,
    bucketGb: 20,
    mailsPerDay: 1_000,
    openSockets: 20,
    metricSeries: 200,
  },
  prod: {
    executionsPerDay: EXAMPLE_PER_DAY,
    stepFunctionsPerDay: STEP_FUNCTIONS_PER_DAY.prod,
    requestsPerDay: 50_000_000,
    databaseGb: 1_200,
    bucketGb: 2_000,
    mailsPerDay: 100_000,
    openSockets: 5_000,
    metricSeries: 300,
  },
};

/** An execution that stands for all: five steps that call something. */
export const USUAL = {
  transitions: 8,
  tasks: 6,
  taskMs: 200,
  requestMs: 40,
  /** Of Kafka and of the log of the database, of logs, and out through NAT. */
  eventKb: 15,
  logKb: 4,
  logKbPerRequest: 1.5,
  outsideKb: 40,
  failedShare: 0.01,
  tracedShare: 0.05,
  pageReads: 30,
} as const;

/** How requests of the API fall to its functions. A new function of the API must say its share. */
const REQUEST_SHARES: { readonly [N in StartedBy<'http'>]: number } = {
  'executions-api': 0.8,
  'workflows-api': 0.1,
  'identity-api': 0.05,
  'platform-api': 0.04,
  'connections-api': 0.009,
  'sso-api': 0.0008,
  'saml-api': 0.0002,
};

export interface Invocations {
  readonly perMonth: number;
  readonly ms: number;
}

type Of<K extends Trigger['kind']> = Extract<Trigger, { readonly kind: K }>;

const INVOCATIONS: {
  readonly [K in Trigger['kind']]: (trigger: Of<K>, load: Load, name: FunctionName) => Invocations;
} = {
  http: (_, load, name) => ({
    perMonth: load.requestsPerDay * MONTH.days * (REQUEST_SHARES[name as never] ?? 0),
    ms: USUAL.requestMs,
  }),
  socket: (_, load) => ({ perMonth: socketMessages(load), ms: USUAL.requestMs }),
  // One credential in twenty is not among those whose answer is still kept.
  authorizer: (_, load) => ({
    perMonth: load.requestsPerDay * MONTH.days * 0.05,
    ms: USUAL.requestMs,
  }),
  'machine-task': (_, load) => ({ perMonth: machines(load) * USUAL.tasks, ms: USUAL.taskMs }),
  // Four inventories a day, of a few tasks each, and a restore a week, which looks every minute.
  'platform-task': () => ({ perMonth: 2_000, ms: 500 }),
  schedule: ({ everyMinutes }) => ({ perMonth: (MONTH.hours * 60) / everyMinutes, ms: 1_000 }),
  queue: (_, load) => ({ perMonth: machines(load) / 10, ms: 500 }),
  kafka: ({ batchSize }, load) => ({
    perMonth: Math.ceil((load.executionsPerDay * MONTH.days * 4) / Math.min(batchSize, 20)),
    ms: 200,
  }),
  'machine-status': (_, load) => ({ perMonth: machines(load) * USUAL.failedShare, ms: 300 }),
  // Asks until the next one begins.
  watch: ({ everyMinutes }) => ({ perMonth: (MONTH.hours * 60) / everyMinutes, ms: 51_000 }),
  operation: () => ({ perMonth: 0, ms: 0 }),
  deploy: () => ({ perMonth: 0, ms: 0 }),
};

/** How often a function is invoked in a month, and for how long: by what starts it. */
export function invocationsOf(name: string, load: Load): readonly Invocations[] {
  if (!(name in FUNCTIONS)) return [];
  const known = name as FunctionName;
  return functionSpec(known).triggers.map((trigger) => {
    const count = INVOCATIONS[trigger.kind] as (
      trigger: Trigger,
      load: Load,
      name: FunctionName,
    ) => Invocations;
    return count(trigger, load, known);
  });
}

/** Executions of a month on Step Functions. */
export function machines({ stepFunctionsPerDay }: Load): number {
  return stepFunctionsPerDay * MONTH.days;
}

/** A connection lives two hours and says something every ten minutes. */
export function socketMessages({ openSockets }: Load): number {
  return openSockets * MONTH.hours * 7;
}
