/**
 * How far the hot path goes: from what one execution was measured to cost, to what a volume a day needs, what
 * that costs, and which part gives out first.
 *
 *  K1 every figure is either measured (`MEASURED`), a setting of a stage, or assumed in the open (`ASSUMED`);
 *  K2 parts are sized for the peak, storage for the mean;
 *  K3 a limit is told as executions a second of the whole platform, so that limits can be compared.
 */
import { MONTH, PRICES } from './prices.ts';
import { BUSY_SHARE, type Fleet, STEP_CPU_MS, usdOfTaskDay } from './runtimes.ts';

/**
 * Of one execution of 4 steps whose calls end at once: the first two by `npm run bench -- --only peers` (docs/performance.md), what is
 * stored by `node test/bench/rows.ts --rows 50000`, events by `node test/bench/events.ts`. Bytes do not depend on how busy a machine is.
 */
export const MEASURED = {
  on: '2026-11-26',
  machine: 'processors on two cores of an AMD EPYC, PostgreSQL 17 beside it',
  steps: 4,
  /** CPU of the database's server. */
  databaseMs: 0.24,
  /** Written to the log of the database. */
  logBytes: 11_000,
  /** In its tables, with their indexes. */
  storedBytes: 5_500,
  /** On `workflow.events`, as they are by themselves. */
  events: 3,
  eventBytes: 464,
  /** Events a second that one process takes from the outbox to a broker, on the cores that both share. */
  relayedPerSecond: 33_600,
} as const;

export const ASSUMED = {
  /** The partitions of a year alone make it 1.9 (docs/performance.md, rows of the log); and people look at what runs. */
  databaseFactor: 2,
  databaseBusyShare: 0.6,
  /** Of the API for each execution: its start, and those who ask how it is. */
  requestsPerExecution: 20,
  /** Executions are in the database for so long. */
  keptDays: 90,
  /** Into an express.m7g.large, in megabytes a second; what AWS says of it, from memory. */
  brokerMbPerSecond: 15.6,
  /** What the largest writer of Aurora has (r8g.48xlarge). */
  mostWriterCores: 192,
  /** What one database of Aurora holds: 128 TiB. */
  mostStoredGb: 140_000,
} as const;

/** What a stage has, as far as it bounds the hot path. */
export interface Capacity {
  readonly fleet: Fleet;
  readonly writerCores: number;
  readonly brokers: number;
  readonly requestsPerSecond: number;
}

export interface Limit {
  readonly part: string;
  /** Executions a second. */
  readonly perSecond: number;
  /** What is done when it is reached. */
  readonly remedy: string;
}

const ENGINE_MS = STEP_CPU_MS * MEASURED.steps;
const DATABASE_MS = MEASURED.databaseMs * ASSUMED.databaseFactor;
const BYTES_OF_EVENTS = MEASURED.events * MEASURED.eventBytes;
/** Executions a second whose events one relay takes; each database has one for a topic. */
const RELAYED = MEASURED.relayedPerSecond / MEASURED.events;
const DAY_SECONDS = 86_400;
const GB = 1e9;
const R7G_2XLARGE_CORES = 8;

/** The parts of a stage by what they take, the first to give out first. */
export function limitsOf({ fleet, writerCores, brokers, requestsPerSecond }: Capacity): Limit[] {
  const limits: Limit[] = [
    {
      part: `${fleet.maxTasks} tasks of the engine, a process each`,
      perSecond: (fleet.maxTasks * BUSY_SHARE * 1_000) / ENGINE_MS,
      remedy: 'raise `engine.maxTasks`; 256 partitions of commands are the next bound',
    },
    {
      part: `the writer of the database, ${writerCores} cores`,
      perSecond: (writerCores * ASSUMED.databaseBusyShare * 1_000) / DATABASE_MS,
      remedy: `a larger class, up to ${ASSUMED.mostWriterCores} cores; then a database for each group of tenants`,
    },
    {
      part: `${brokers} brokers of Kafka`,
      perSecond: (brokers * ASSUMED.brokerMbPerSecond * 1e6) / BYTES_OF_EVENTS,
      remedy: 'more brokers, three at a time',
    },
    {
      part: 'the relay of `workflow.events`, which one process has at a time',
      perSecond: RELAYED,
      remedy:
        'a lease for each share of the keys in the place of one for the topic, or another database',
    },
    {
      part: `the API, ${requestsPerSecond.toLocaleString('en-US')} requests a second`,
      perSecond: requestsPerSecond / ASSUMED.requestsPerExecution,
      remedy: 'raise `api.requests` and ask for the quota; start many executions by one call',
    },
  ];
  return limits.sort((a, b) => a.perSecond - b.perSecond);
}

export interface Needed {
  readonly perDay: number;
  readonly meanPerSecond: number;
  readonly peakPerSecond: number;
  readonly tasks: number;
  readonly writerCores: number;
  /** More than one database is needed where this is more than 1. */
  readonly databases: number;
  readonly brokers: number;
  readonly logMbPerSecond: number;
  readonly storedGb: number;
  readonly usdPerMonth: number;
}

/** `peak`: the busiest second, divided by the mean of the day. */
export function neededFor(
  perDay: number,
  peak: number,
  fleet: Pick<Fleet, 'cpu' | 'memoryMb' | 'minTasks'>,
): Needed {
  const meanPerSecond = perDay / DAY_SECONDS;
  const peakPerSecond = meanPerSecond * peak;
  const busiest = (ms: number, share: number): number => (peakPerSecond * ms) / 1_000 / share;
  const tasks = Math.max(fleet.minTasks, Math.ceil(busiest(ENGINE_MS, BUSY_SHARE)));
  const writerCores = Math.max(
    R7G_2XLARGE_CORES,
    Math.ceil(busiest(DATABASE_MS, ASSUMED.databaseBusyShare)),
  );
  const mbOfEvents = (peakPerSecond * BYTES_OF_EVENTS) / 1e6;
  const brokers = 3 * Math.max(1, Math.ceil(mbOfEvents / ASSUMED.brokerMbPerSecond / 3));
  const storedGb = (perDay * ASSUMED.keptDays * MEASURED.storedBytes) / GB;
  return {
    ...{ perDay, meanPerSecond, peakPerSecond, tasks, writerCores, brokers, storedGb },
    databases: Math.max(
      Math.ceil(writerCores / ASSUMED.mostWriterCores),
      Math.ceil(storedGb / ASSUMED.mostStoredGb),
      Math.ceil(peakPerSecond / RELAYED),
    ),
    logMbPerSecond: (peakPerSecond * MEASURED.logBytes) / 1e6,
    usdPerMonth:
      // Tasks come and go with the day: half of what the peak needs, on average.
      Math.max(fleet.minTasks, tasks / 2) * usdOfTaskDay(fleet) * MONTH.days +
      // A writer and two readers of its size.
      (3 * writerCores * PRICES['aurora.r7g.2xlarge.iopt'].usd * MONTH.hours) / R7G_2XLARGE_CORES +
      storedGb * PRICES['aurora.gb.iopt'].usd +
      brokers * PRICES['msk.express.m7g.large'].usd * MONTH.hours +
      ((perDay * MONTH.days * BYTES_OF_EVENTS) / GB) * PRICES['msk.express.in'].usd,
  };
}
