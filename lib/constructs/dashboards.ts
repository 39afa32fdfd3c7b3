import { Dashboard, GraphWidget, TextWidget } from 'aws-cdk-lib/aws-cloudwatch';
import { Duration } from 'aws-cdk-lib/core';
import type { Construct } from 'constructs';
import { type DashboardSpec, dashboardName } from '#config/charts.ts';
import type { Ids } from '#config/signals.ts';
import type { StageSettings } from '#config/stage-settings.ts';
import { metricOf } from './alarms.ts';

const WIDTH = 12;
const HEIGHT = 6;
const PERIOD = Duration.minutes(1);

/** Draws a dashboard of the table: what it shows, and its charts two by two. */
export function makeDashboard(
  scope: Construct,
  settings: StageSettings,
  spec: DashboardSpec,
  ids: Ids = {},
): Dashboard {
  const { stage } = settings;
  const charts = spec.charts.map(
    ({ title, lines }) =>
      new GraphWidget({
        title,
        width: WIDTH,
        height: HEIGHT,
        left: lines.map(({ label, signal }) => metricOf(signal, PERIOD, ids, label)),
      }),
  );
  const rows = Array.from({ length: Math.ceil(charts.length / 2) }, (_, i) =>
    charts.slice(2 * i, 2 * i + 2),
  );
  return new Dashboard(scope, `${spec.name}-dashboard`, {
    dashboardName: dashboardName(settings, spec.name),
    widgets: [
      [
        new TextWidget({
          markdown: `**CloudFlow ${stage}: ${spec.about}.** What the lines mean: docs/operations.md`,
          width: 2 * WIDTH,
          height: 1,
        }),
      ],
      ...rows,
    ],
  });
}
