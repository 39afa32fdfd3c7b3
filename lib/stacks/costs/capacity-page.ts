import type { StageSettings } from '#config/stage-settings.ts';
import {
  ASSUMED,
  type Capacity,
  limitsOf,
  MEASURED,
  type Needed,
  neededFor,
} from '#core/cost/capacity.ts';
import { PRICE_LIST } from '#core/cost/prices.ts';
import { EXAMPLE_PER_DAY } from '#core/cost/runtimes.ts';

const DAY_SECONDS = 86_400;

/** Volumes a day, and how much more than the mean the busiest second has: 500 starts a second are the peak of the first. */
const VOLUMES: readonly { readonly perDay: number; readonly peak: number }[] = [
  { perDay: EXAMPLE_PER_DAY, peak: 17 },
  { perDay: 4_000_000, peak: 17 },
  { perDay: 25_000_000, peak: 8 },
  { perDay: 100_000_000, peak: 5 },
  { perDay: 1_000_000_000, peak: 3 },
];

/** Cores of the classes that a stage may name. */
const CORES: Readonly<Record<string, number>> = {
  large: 2,
  xlarge: 4,
  '2xlarge': 8,
  '4xlarge': 16,
  '8xlarge': 32,
  '12xlarge': 48,
  '16xlarge': 64,
  '24xlarge': 96,
  '48xlarge': 192,
};

/** Throws for a database that is not provisioned: what a serverless one has changes by the minute. */
export function capacityOf({ database, engine, events, api }: StageSettings): Capacity {
  const { capacity } = database;
  if (capacity.kind !== 'provisioned') throw new TypeError('its database has no size of its own');
  const size = capacity.instance.split('.').at(-1) ?? '';
  const writerCores = CORES[size];
  if (events === null) throw new TypeError('it has no brokers');
  if (writerCores === undefined)
    throw new TypeError(`nobody knows the cores of ${capacity.instance}`);
  return {
    ...{ fleet: engine, writerCores, brokers: events.brokers },
    requestsPerSecond: api.requests.sustained,
  };
}

/** The tables of docs/capacity.md, of one stage. */
export function capacityTables(settings: StageSettings): string {
  const { stage, engine } = settings;
  const limits = limitsOf(capacityOf(settings));
  const needed = VOLUMES.map(({ perDay, peak }) => ({ peak, ...neededFor(perDay, peak, engine) }));
  const [first] = limits;
  return [
    `## What ${stage} takes as it is deployed`,
    '',
    ...table(
      [
        'the first to give out first',
        'executions a second',
        'a day, were all seconds alike',
        'then',
      ],
      limits.map(({ part, perSecond, remedy }) => [
        part,
        whole(perSecond),
        whole(perSecond * DAY_SECONDS),
        remedy,
      ]),
    ),
    `The first to give out: ${first?.part}, at ${whole(first?.perSecond ?? 0)} executions a second.`,
    '',
    '## What a volume needs',
    '',
    ...table(
      ['', ...needed.map(({ perDay }) => `${whole(perDay)} a day`)],
      ROWS.map(([words, read]) => [words, ...needed.map(read)]),
    ),
    'Dollars are of the engine, the database with two readers, its storage, and Kafka; the API, logs and what [docs/cost.md](cost.md) has besides come on top, and grow with what customers ask.',
    '',
    '## What it is reckoned with',
    '',
    `Measured on ${MEASURED.on} (${MEASURED.machine}), of an execution of ${MEASURED.steps} steps: ${MEASURED.databaseMs} ms of the database's processors, ${whole(MEASURED.logBytes)} bytes of its log, ${whole(MEASURED.storedBytes)} bytes kept, ${MEASURED.events} events of ${MEASURED.eventBytes} bytes, of which one relay takes ${whole(MEASURED.relayedPerSecond)} a second.`,
    '',
    `Assumed: a database that has ${ASSUMED.databaseFactor} times that to do and is kept ${ASSUMED.databaseBusyShare * 100} % busy; ${ASSUMED.requestsPerExecution} requests of the API for each execution; executions kept ${ASSUMED.keptDays} days; ${ASSUMED.brokerMbPerSecond} MB a second into a broker; a core of AWS that does what one of that machine did. Prices ± ${PRICE_LIST.withinPercent} %.`,
    '',
  ].join('\n');
}

const ROWS: readonly (readonly [string, (of: Needed & { readonly peak: number }) => string])[] = [
  ['executions a second, on average', ({ meanPerSecond }) => whole(meanPerSecond)],
  ['busiest second', ({ peak, peakPerSecond }) => `${whole(peakPerSecond)} (${peak} times)`],
  ['tasks of the engine at the peak', ({ tasks }) => whole(tasks)],
  ['cores of all writers', ({ writerCores }) => whole(writerCores)],
  [
    'databases, for one has a largest class, a largest volume and one relay',
    ({ databases }) => whole(databases),
  ],
  ['MB a second of its log', ({ logMbPerSecond }) => whole(logMbPerSecond)],
  ['GB kept', ({ storedGb }) => whole(storedGb)],
  ['brokers', ({ brokers }) => whole(brokers)],
  ['dollars a month', ({ usdPerMonth }) => whole(usdPerMonth)],
];

function whole(count: number): string {
  return count.toLocaleString('en-US', { maximumFractionDigits: count < 10 ? 1 : 0 });
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): readonly string[] {
  const row = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [row(head), row(head.map(() => '---')), ...rows.map(row), ''];
}
