import { type Alarm, type MetricAlarm, PRIORITIES } from './alarms/alarm.ts';
import { alarmsOf } from './alarms/all.ts';
import { standbyAlarmsOf } from './alarms/recovery.ts';
import { dashboardsOf } from './dashboards.ts';
import { DIMENSIONS, METRICS, metricNames } from './metrics.ts';
import { noticesOf } from './notices.ts';
import { savedQueries } from './saved-queries.ts';
import { SERVICE_LEVEL } from './service-level.ts';
import { type Series, seriesOf } from './signals.ts';
import type { StageSettings } from './stage-settings.ts';
import { standbyDashboardsOf } from './standby-dashboard.ts';

/** The tables of docs/operations.md, made of what is deployed in a stage. */
export function operationsTables(settings: StageSettings): string {
  return [
    '## Alarms',
    '',
    ...alarmTables(settings),
    '## Notices',
    '',
    'What AWS says of itself, and what is due by the calendar: told by the same topics. What AWS says of the region that waits is heard there.',
    '',
    ...table(
      ['notice', 'priority', 'means', 'page'],
      noticesOf(settings).map(({ name, priority, about, page }) => {
        const link = page.slice('docs/'.length);
        return [code(name), priority, about, `[${link.slice(0, -'.md'.length)}](${link})`];
      }),
    ),
    '## Dashboards',
    '',
    ...table(
      ['dashboard', 'shows'],
      [...dashboardsOf(settings), ...standbyDashboardsOf(settings)].map(({ name, about }) => [
        code(`cloudflow-<stage>-${name}`),
        about,
      ]),
    ),
    '## Saved queries',
    '',
    ...table(
      ['query of Logs Insights', 'answers'],
      savedQueries(settings).map(({ name, about }) => [code(`cloudflow-<stage>/${name}`), about]),
    ),
    '## Metrics',
    '',
    `In the namespace ${code('CloudFlow/<stage>')}. What AWS measures of its services is in their own namespaces.`,
    '',
    ...table(
      ['metric', 'unit', 'dimensions', 'counts'],
      metricNames.map((name) => {
        const { unit, dimensions, about } = METRICS[name];
        return [code(name), unit, dimensions.map(code).join(', '), about];
      }),
    ),
    '## Dimensions',
    '',
    ...table(
      ['dimension', 'values'],
      Object.entries(DIMENSIONS).map(([name, about]) => [code(name), about]),
    ),
    '## Service level',
    '',
    `Objective: ${SERVICE_LEVEL.objectivePercent} % of a month's requests. Agreed with customers: ${SERVICE_LEVEL.agreedPercent} %.`,
    '',
    'On the 1st the workflow `service-report` writes what a month was, day by day, and tells it ([recovery](recovery.md)). What one customer is owed:',
    'the saved query `availability-by-tenant`.',
    '',
    ...table(
      ['below', 'credit of the month’s bill'],
      SERVICE_LEVEL.credits.map(({ below, percent }) => [`${below} %`, `${percent} %`]),
    ),
  ]
    .join('\n')
    .trimEnd()
    .concat('\n');
}

function alarmTables(settings: StageSettings): readonly string[] {
  const alarms = [...alarmsOf(settings), ...standbyAlarmsOf(settings)];
  return Object.entries(PRIORITIES).flatMap(([priority, { about, withinMinutes }]) => [
    `### ${priority}: ${about}`,
    '',
    withinMinutes === 0 ? 'Somebody is woken at once.' : `Within ${withinMinutes} minutes.`,
    '',
    ...table(
      ['alarm', 'means', 'on when', 'runbook'],
      alarms
        .filter((alarm) => alarm.priority === priority)
        .map((alarm) => [
          code(alarm.name),
          alarm.about,
          conditionOf(alarm),
          `[${alarm.runbook}](runbooks/${alarm.runbook}.md)`,
        ]),
    ),
  ]);
}

function conditionOf(alarm: Alarm): string {
  switch (alarm.kind) {
    case 'any':
      return `any of ${alarm.of.map(code).join(', ')}`;
    case 'all':
      return `${alarm.of.map(code).join(' and ')}`;
    case 'metric':
      return `${measured(alarm)} ${alarm.comparison} ${alarm.threshold}${alarm.unit === '' ? '' : ` ${alarm.unit}`}, ${periodsOf(alarm)}`;
  }
}

function measured({ signal }: MetricAlarm): string {
  const names = [...new Set(seriesOf(signal).map(nameOf))];
  return names.map(code).join(', ');
}

function nameOf({ namespace, name, statistic }: Series): string {
  return `${namespace.startsWith('CloudFlow/') ? '' : `${namespace} `}${name} ${statistic}`;
}

function periodsOf({ bad, of, periodSeconds }: MetricAlarm): string {
  const minutes = periodSeconds / 60;
  const period = minutes % 60 === 0 ? `${minutes / 60} h` : `${minutes} min`;
  return of === 1 ? `over ${period}` : `${bad} of ${of} × ${period}`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): readonly string[] {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line), ''];
}

function code(text: string): string {
  return `\`${text}\``;
}
