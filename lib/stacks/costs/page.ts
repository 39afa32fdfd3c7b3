import type { StageSettings } from '#config/stage-settings.ts';
import { MONTH, PRICE_LIST, PRICES } from '#core/cost/prices.ts';
import { EXAMPLE_PER_DAY, type RuntimeCosts } from '#core/cost/runtimes.ts';
import { LOADS, type Load, USUAL } from './load.ts';
import { type Line, linesOf, linesOfLoad, type TemplateResource, usdOf } from './resources.ts';

/** What one stage deploys: templates by the name of their stack, in the order of deployment. */
export interface StageTemplates {
  readonly settings: StageSettings;
  readonly stacks: ReadonlyMap<string, Readonly<Record<string, TemplateResource>>>;
}

/** Lines of less than so many dollars a month are in the sums alone: the page would change with every alarm. */
const LEAST_SHOWN = 10;
/** The name under which costs stand that no resource has by itself. */
const LOAD = 'its load';

/** What a stage costs in a month, line by line: `what` of a stack at one price, summed. */
export function costOfStage({ settings, stacks }: StageTemplates): ReadonlyMap<string, Line[]> {
  const load = LOADS[settings.stage];
  const found = new Map<string, Line[]>();
  for (const [stack, resources] of stacks) {
    const lines = Object.values(resources).flatMap((resource) =>
      linesOf(resource, { settings, load, find: (id) => resources[id] }),
    );
    found.set(stack, summed(lines));
  }
  found.set(LOAD, summed(linesOfLoad({ settings, load })));
  return found;
}

function summed(lines: readonly Line[]): Line[] {
  const sums = new Map<string, Line>();
  for (const each of lines) {
    if (each.quantity === 0) continue;
    const key = `${each.what} ${each.price}`;
    sums.set(key, { ...each, quantity: each.quantity + (sums.get(key)?.quantity ?? 0) });
  }
  return [...sums.values()].sort((a, b) => usdOf(b) - usdOf(a));
}

/** The tables of docs/cost.md. `examples`: what definitions cost on each runtime, by name. */
export function costTables(
  stages: readonly StageTemplates[],
  examples: ReadonlyMap<string, RuntimeCosts>,
): string {
  const costs = stages.map((each) => ({ stage: each.settings.stage, cost: costOfStage(each) }));
  const stacks = [...new Set(costs.flatMap(({ cost }) => [...cost.keys()]))];
  const order = [...stacks.filter((stack) => stack !== LOAD), LOAD];
  return [
    '## A month in dollars',
    '',
    ...table(
      ['stack', ...costs.map(({ stage }) => stage)],
      [
        ...order.map((stack) => [
          stack,
          ...costs.map(({ cost }) => money(sum(cost.get(stack) ?? []))),
        ]),
        ['**all**', ...costs.map(({ cost }) => `**${money(sum([...cost.values()].flat()))}**`)],
      ],
    ),
    `What stands for less than ${LEAST_SHOWN} dollars is in the sums, and in no table below.`,
    '',
    ...costs.flatMap(({ stage, cost }) => [
      `## ${stage}`,
      '',
      ...table(
        ['stack', 'for', 'quantity', 'each', 'dollars'],
        order.flatMap((stack) =>
          (cost.get(stack) ?? [])
            .filter((each) => usdOf(each) >= LEAST_SHOWN)
            .map((each) => [
              stack,
              each.what,
              quantity(each.quantity),
              `${dollars(PRICES[each.price].usd)} per ${PRICES[each.price].per}`,
              money(usdOf(each)),
            ]),
        ),
      ),
    ]),
    '## The examples on each runtime',
    '',
    'Dollars per million executions when all goes well, what costs the same on both left out.',
    '',
    ...table(
      [
        'definition',
        'transitions',
        'Step Functions',
        `engine, ${quantity(EXAMPLE_PER_DAY)} a day`,
        'engine cheaper from, a day',
      ],
      [...examples].map(([name, { stepFunctions, engine, breakEvenPerDay }]) => [
        name,
        stepFunctions === null ? '' : quantity(stepFunctions.transitions),
        stepFunctions === null ? 'cannot run it' : money(stepFunctions.usdPerMillion),
        engine.usdPerMillion === null ? 'too many' : money(engine.usdPerMillion),
        breakEvenPerDay === null ? '' : quantity(breakEvenPerDay),
      ]),
    ),
    '## What stages are taken to do',
    '',
    ...table(
      ['', ...stages.map(({ settings }) => settings.stage)],
      [
        ...Object.entries(LOAD_WORDS).map(([key, words]) => [
          words,
          ...stages.map(({ settings }) => quantity(LOADS[settings.stage][key as keyof Load])),
        ]),
        ...Object.entries(REQUEST_WORDS).map(([key, words]) => [
          words,
          ...stages.map(({ settings }) =>
            quantity(settings.api.requests[key as keyof typeof REQUEST_WORDS]),
          ),
        ]),
      ],
    ),
    `Were no workflow of prod declared hot, its ${quantity(LOADS.prod.executionsPerDay)} executions a day would cost ${quantity(Math.round(usdOfTransitions(LOADS.prod.executionsPerDay)))} dollars a month in transitions alone, against ${quantity(Math.round(usdOfTransitions(LOADS.prod.stepFunctionsPerDay)))} of the ${quantity((100 * LOADS.prod.stepFunctionsPerDay) / LOADS.prod.executionsPerDay)} % above.`,
    '',
    `An execution stands for all: ${USUAL.transitions} transitions and ${USUAL.tasks} tasks of ${USUAL.taskMs} ms on Step Functions, ${USUAL.eventKb} kB of events, ${USUAL.logKb} kB of logs, ${USUAL.outsideKb} kB out and in through NAT. A request of the API takes ${USUAL.requestMs} ms of a function and ${USUAL.logKbPerRequest} kB of logs; one in ${1 / USUAL.tracedShare} is traced.`,
    '',
    `Prices: ${PRICE_LIST.source}, ${PRICE_LIST.region}, ${PRICE_LIST.on}; ± ${PRICE_LIST.withinPercent} %.`,
    '',
  ].join('\n');
}

const LOAD_WORDS: { readonly [K in keyof Load]: string } = {
  executionsPerDay: 'executions a day',
  stepFunctionsPerDay: 'of them on Step Functions, for no definition says that they are hot',
  requestsPerDay: 'requests of the API a day',
  databaseGb: 'GB in the database',
  bucketGb: 'GB in each bucket',
  mailsPerDay: 'mails a day',
  openSockets: 'WebSockets open at a time',
  metricSeries: 'series of metrics',
};

const REQUEST_WORDS: {
  readonly [K in keyof StageSettings['api']['requests']]: string;
} = {
  sustained: 'requests of the API a second that are taken for hours',
  peak: 'requests of the API a second that are taken for minutes',
};

function usdOfTransitions(executionsPerDay: number): number {
  return executionsPerDay * MONTH.days * USUAL.transitions * PRICES['states.transition'].usd;
}

function sum(lines: readonly Line[]): number {
  return lines.reduce((total, each) => total + usdOf(each), 0);
}

function money(usd: number): string {
  return usd === 0 ? '0' : usd < 1 ? '< 1' : quantity(Math.round(usd));
}

/** `0.0000133`: three figures that count, and no exponent. */
function dollars(usd: number): string {
  return usd.toLocaleString('en-US', { maximumSignificantDigits: 3, maximumFractionDigits: 12 });
}

function quantity(count: number): string {
  return count.toLocaleString('en-US', { maximumFractionDigits: count < 10 ? 2 : 0 });
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): readonly string[] {
  const row = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [row(head), row(head.map(() => '---')), ...rows.map(row), ''];
}
