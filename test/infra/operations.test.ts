import { existsSync, globSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  type Alarm,
  isSilent,
  type MetricAlarm,
  metric,
  PRIORITIES,
} from '#config/alarms/alarm.ts';
import { alarmsOf } from '#config/alarms/all.ts';
import { standbyAlarmsOf } from '#config/alarms/recovery.ts';
import { AWS_METRICS, type AwsSource, namespaceOf } from '#config/aws-metrics.ts';
import { dashboardsOf } from '#config/dashboards.ts';
import { METRICS, type MetricName, metricNames, metricNamespace } from '#config/metrics.ts';
import { operationsTables } from '#config/operations-page.ts';
import { savedQueries } from '#config/saved-queries.ts';
import { creditOf, SERVICE_LEVEL } from '#config/service-level.ts';
import { math, SERIES_OF_AN_ALARM, type Series, seriesOf } from '#config/signals.ts';
import { problemOf, readStageSettings } from '#config/stage-settings.ts';
import { STAGES } from '#config/stages.ts';
import { standbyDashboardsOf } from '#config/standby-dashboard.ts';
import { LOG_EVENTS, LOG_FIELDS } from '#core/log-catalog.ts';
import type { Level, Measured } from '#ports/metrics.ts';
import { ROOT } from '../../bin/build/bundle.ts';

const STORAGE = { gigabytes: 10, maxGigabytes: 20 };
const RUNBOOKS = join(ROOT, 'docs/runbooks');
const settingsOf = (stage: string) => readStageSettings({ stage, account: undefined }, {});
const sources = globSync('{lib,functions,bin}/**/*.ts', { cwd: ROOT })
  .filter((file) => !file.startsWith('lib/config/'))
  .map((file) => readFileSync(join(ROOT, file), 'utf8'))
  .join('\n');

/** Why nobody measures this series; null when somebody does. */
function unmeasured({ namespace, name, dimensions }: Series, stage: string): string | null {
  const given = Object.keys(dimensions).sort();
  if (namespace === metricNamespace(stage)) {
    if (!metricNames.includes(name as MetricName)) return `${name} is no metric of ours`;
    const { dimensions: own } = METRICS[name as MetricName];
    if (given.join() !== [...own].sort().join())
      return `${name} has other dimensions than ${given}`;
    // Reasons are words of the code that measures.
    const reason = dimensions['Reason'];
    return reason === undefined || sources.includes(`'${reason}'`) ? null : `nobody says ${reason}`;
  }
  const known = (Object.keys(AWS_METRICS) as AwsSource[]).filter(
    (source) =>
      namespaceOf(source) === namespace &&
      (AWS_METRICS[source].names as readonly string[]).includes(name) &&
      [...AWS_METRICS[source].dimensions].sort().join() === given.join(),
  );
  return known.length === 1 ? null : `AWS has no ${namespace} ${name} by ${given}`;
}

describe.each(STAGES)('alarms of stage %s', (stage) => {
  const alarms = alarmsOf(settingsOf(stage));
  const everywhere = [...alarms, ...standbyAlarmsOf(settingsOf(stage))];
  const named = (name: string): Alarm => {
    const found = alarms.find((alarm) => alarm.name === name);
    if (found === undefined) throw new Error(`no alarm ${name}`);
    return found;
  };

  it('have names of their own, and a signal that is really measured', () => {
    expect(new Set(everywhere.map(({ name }) => name)).size).toBe(everywhere.length);
    const bad = everywhere.flatMap((alarm) =>
      alarm.kind === 'metric'
        ? seriesOf(alarm.signal).flatMap((each) => unmeasured(each, stage) ?? [])
        : [],
    );
    expect(bad).toEqual([]);
  });

  it('so have the lines of dashboards', () => {
    const bad = [...dashboardsOf(settingsOf(stage)), ...standbyDashboardsOf(settingsOf(stage))]
      .flatMap(({ charts }) => charts)
      .flatMap(({ lines }) => lines)
      .flatMap(({ signal }) => seriesOf(signal))
      .flatMap((each) => unmeasured(each, stage) ?? []);
    expect(bad).toEqual([]);
  });

  it('are made of alarms that come before them', () => {
    const seen = new Set<string>();
    for (const alarm of alarms) {
      if (alarm.kind !== 'metric') for (const part of alarm.of) expect(seen).toContain(part);
      seen.add(alarm.name);
    }
  });

  it('keep within what CloudWatch takes: ten series, a day of periods, whole minutes but for what is kept by the second', () => {
    const fine = (name: string): boolean =>
      Object.values<Measured | Level>(METRICS).some((each) => each.name === name && each.bySecond);
    for (const alarm of everywhere) {
      if (alarm.kind !== 'metric') continue;
      expect(seriesOf(alarm.signal).length, alarm.name).toBeLessThanOrEqual(SERIES_OF_AN_ALARM);
      const bySecond = seriesOf(alarm.signal).every(({ name }) => fine(name));
      expect(alarm.periodSeconds % (bySecond ? 10 : 60), alarm.name).toBe(0);
      expect(alarm.periodSeconds < 60 ? [10, 20, 30] : [alarm.periodSeconds]).toContain(
        alarm.periodSeconds,
      );
      expect(alarm.periodSeconds * alarm.of).toBeLessThanOrEqual(86_400);
      expect(alarm.bad).toBeLessThanOrEqual(alarm.of);
    }
  });

  it('are refused with a sentence where they would look at more', () => {
    const alarm = named('database-utilisation') as MetricAlarm;
    const { signal } = alarm;
    const [one] = seriesOf(signal);
    const many = Object.fromEntries(Array.from({ length: 12 }, (_, i) => [`m${i}`, one as Series]));
    expect(() => metric({ ...alarm, signal: math('MAX(METRICS())', many) })).toThrow(
      'the alarm database-utilisation looks at 12 series; use 10 or fewer, for CloudWatch takes no more',
    );
  });

  it('of Kafka fit whatever brokers and however many a stage may have', () => {
    const settings = settingsOf(stage);
    const kafka = settings.events ?? { maxPartitions: 32, maxPollers: 1 };
    const zones = settings.zones.length;
    for (let brokers = zones; brokers <= SERIES_OF_AN_ALARM; brokers += zones) {
      for (const events of [
        { ...kafka, brokers, broker: 'kafka.m7g.2xlarge', storage: STORAGE },
        { ...kafka, brokers, broker: 'express.m7g.large', storage: null },
      ] as const) {
        const made = { ...settings, events };
        expect(zones === 3 ? problemOf(made) : null).toBeNull();
        expect(alarmsOf(made).map(({ name }) => name)).toContain(`kafka-brokers-${brokers}`);
      }
    }
  });

  it('have the priorities that were decided', () => {
    const hasKafka = settingsOf(stage).events !== null;
    expect(named('api-errors')).toMatchObject({ priority: 'P1', threshold: 1, unit: '%' });
    expect(named('database-unreachable')).toMatchObject({ priority: 'P1', threshold: 0 });
    expect(named('api-latency')).toMatchObject({ priority: 'P2', threshold: 500, unit: 'ms' });
    const utilisation = alarms.filter(
      (alarm) => alarm.kind === 'metric' && alarm.threshold === 85 && alarm.unit === '%',
    );
    expect(utilisation.map(({ name }) => name)).toEqual(
      expect.arrayContaining([
        'engine-cpu',
        'engine-storage',
        'database-utilisation',
        ...(hasKafka ? ['kafka-cpu'] : []),
      ]),
    );
    for (const { priority } of utilisation) expect(priority).toBe('P3');
    expect(named('engine-memory')).toMatchObject({ priority: 'P3', threshold: 80, unit: '%' });
    expect(named('cache-hits')).toMatchObject({ kind: 'any', priority: 'P2' });
    expect(named('cache-hits-1')).toMatchObject({ comparison: 'below', threshold: 80, unit: '%' });
    if (hasKafka) expect(named('kafka-brokers')).toMatchObject({ kind: 'any', priority: 'P3' });
    expect(named('cache-nodes')).toMatchObject({ kind: 'any', priority: 'P3' });
    const { engine, database } = settingsOf(stage);
    expect(named('engine-tasks')).toMatchObject({
      priority: 'P3',
      comparison: 'below',
      threshold: engine.minTasks,
    });
    if (database.readers > 0) {
      expect(named('database-readers')).toMatchObject({
        priority: 'P3',
        comparison: 'below',
        threshold: database.readers,
      });
      expect(named('database-readers-utilisation')).toMatchObject({
        priority: 'P3',
        threshold: 85,
        unit: '%',
      });
    }
  });

  it('spend the budget of errors by two windows each', () => {
    const windows = (name: string) =>
      ['long', 'short'].map((window) => {
        const part = named(`${name}-${window}`);
        return part.kind === 'metric' ? [part.threshold, part.periodSeconds] : null;
      });
    expect(SERVICE_LEVEL.objectivePercent).toBe(99.9);
    expect(windows('error-budget-fast')).toEqual([
      [1.44, 3_600],
      [1.44, 300],
    ]);
    expect(windows('error-budget-slow')).toEqual([
      [0.6, 21_600],
      [0.6, 1_800],
    ]);
    expect(named('error-budget-fast')).toMatchObject({ kind: 'all', priority: 'P1' });
    expect(named('error-budget-slow')).toMatchObject({ kind: 'all', priority: 'P2' });
  });

  it('of P1 are heard through one, and all of them are', () => {
    const incident = named('p1');
    const urgent = alarms.filter(
      ({ name, priority }) => priority === 'P1' && name !== 'p1' && !/-(?:long|short)$/.test(name),
    );
    expect(incident.kind === 'any' && [...incident.of].sort()).toEqual(
      urgent.map(({ name }) => name).sort(),
    );
  });
});

describe('runbooks', () => {
  const alarms = STAGES.flatMap((stage) => [
    ...alarmsOf(settingsOf(stage)),
    ...standbyAlarmsOf(settingsOf(stage)),
  ]);
  const read = (name: string): string => readFileSync(join(RUNBOOKS, `${name}.md`), 'utf8');
  const wanted = new Set(alarms.map(({ runbook }) => runbook));
  const silent = new Set(alarms.filter(isSilent).map(({ name }) => name));
  const wholes = new Map(
    alarms.flatMap((alarm) =>
      alarm.kind === 'metric'
        ? []
        : alarm.of.filter((part) => silent.has(part)).map((part) => [part, alarm.name] as const),
    ),
  );

  it('every alarm has one, which names it', () => {
    for (const { name, runbook } of alarms) {
      expect(existsSync(join(RUNBOOKS, `${runbook}.md`)), runbook).toBe(true);
      // Families of alarms are named by their pattern; silent parts by what they are part of.
      const patterns = ['<function>-failing', '<function>-lag', '<queue>-dead-letters'];
      const own = wholes.get(name) ?? name;
      const family = patterns.find((each) => name.endsWith(each.slice(each.indexOf('>') + 1)));
      const text = read(runbook);
      expect(
        text.includes(`\`${own}\``) || (family !== undefined && text.includes(`\`${family}\``)),
        `${runbook} does not name ${name}`,
      ).toBe(true);
    }
  });

  it('every one of them says what it means, what customers see, what to check, what to do and who is next', () => {
    for (const name of wanted) {
      const text = read(name);
      for (const part of ['# ', 'Alarm', 'Check this first', 'Do this', 'scalate']) {
        expect(text, `${name} has no ${part}`).toContain(part);
      }
      if (name !== 'incident') expect(text).toContain('What customers see');
      expect(text.length, name).toBeLessThan(4_000);
    }
  });

  it('each is named by an alarm, or by a page of the docs', () => {
    const pages = globSync('docs/*.md', { cwd: ROOT }).map((file) =>
      readFileSync(join(ROOT, file), 'utf8'),
    );
    for (const file of readdirSync(RUNBOOKS)) {
      const name = file.replace(/\.md$/, '');
      const linked = pages.some((page) => page.includes(`runbooks/${file}`));
      expect(wanted.has(name) || linked, `nobody names ${file}`).toBe(true);
    }
  });

  it('say of each function that works behind the scenes what becomes of it when it stays away', () => {
    const text = read('function-failing');
    const failing = alarms.filter(({ runbook }) => runbook === 'function-failing');
    for (const { name } of failing) {
      expect(text).toContain(`\`${name.replace(/-failing$/, '')}\``);
    }
  });

  it('links lead to runbooks that are there', () => {
    for (const file of readdirSync(RUNBOOKS)) {
      const text = readFileSync(join(RUNBOOKS, file), 'utf8');
      for (const [, link = ''] of text.matchAll(/\]\(([a-z0-9-]+\.md)\)/g)) {
        expect(existsSync(join(RUNBOOKS, link)), `${file} leads to ${link}`).toBe(true);
      }
    }
  });

  it('events that they tell to look for are events', () => {
    for (const name of wanted) {
      for (const [, event = ''] of read(name).matchAll(/`([A-Z]+(?:_[A-Z]+)+)`/g)) {
        const known = event in LOG_EVENTS || /^(?:INTERNAL|MAINTENANCE|HEALING)$/.test(event);
        expect(known, `${name} names ${event}`).toBe(true);
      }
    }
  });
});

it('saved queries ask for fields and events that lines have', () => {
  const words = new Set<string>([
    'level',
    'event',
    'message',
    'time',
    'requests',
    'failed',
    'lines',
  ]);
  for (const stage of STAGES) {
    for (const { name, query, groups } of savedQueries(settingsOf(stage))) {
      for (const [, event = ''] of query.matchAll(/event = "([A-Z_]+)"/g)) {
        expect(event in LOG_EVENTS, `${name}: ${event}`).toBe(true);
      }
      for (const [, field = ''] of query.matchAll(/\b([a-z]+_(?:id|ms))\b/g)) {
        expect(field in LOG_FIELDS || words.has(field), `${name}: ${field}`).toBe(true);
      }
      expect(groups.length).toBeLessThanOrEqual(50);
    }
  }
});

it('credits follow the service level', () => {
  expect([99.95, 99.5, 99.49, 98.9, 94].map(creditOf)).toEqual([0, 0, 10, 25, 50]);
});

it('every priority says how soon', () => {
  expect(Object.values(PRIORITIES).map(({ withinMinutes }) => withinMinutes)).toEqual([0, 15, 60]);
});

it('docs/operations.md says what is deployed', () => {
  const page = join(ROOT, 'docs/operations.md');
  const text = readFileSync(page, 'utf8');
  const mark = text.indexOf('<!-- written by lib/config/operations-page.ts');
  expect(mark).toBeGreaterThan(0);
  const end = text.indexOf('-->', mark) + '-->'.length;
  const wanted = `${text.slice(0, end)}\n\n${operationsTables(settingsOf('prod'))}`;
  if (process.env['UPDATE_DOCS'] === '1') writeFileSync(page, wanted);
  else expect(text).toBe(wanted);
});
