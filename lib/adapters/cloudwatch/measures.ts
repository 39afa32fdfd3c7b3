import { type CloudWatchClient, GetMetricDataCommand } from '@aws-sdk/client-cloudwatch';
import { OperationFailure } from '#core/operation-failure.ts';
import type { Measures } from '#ports/recovery.ts';
import { asked } from '../aws/failure.ts';

const DAY_SECONDS = 86_400;
/** A month is one page: a list that does not end is a fault. */
const MOST_PAGES = 10;
const ID = 'asked';

/** What CloudWatch keeps: points of an hour or more for fifteen months. */
export function createMeasures(client: CloudWatchClient): Measures {
  return {
    async daily({ namespace, name, dimensions, statistic }, from, to) {
      const days = new Map<string, number>();
      let next: string | undefined;
      for (let page = 0; page < MOST_PAGES; page++) {
        const { MetricDataResults = [], NextToken } = await asked('metrics', () =>
          client.send(
            new GetMetricDataCommand({
              StartTime: new Date(from),
              EndTime: new Date(to),
              ScanBy: 'TimestampAscending',
              MetricDataQueries: [
                {
                  Id: ID,
                  MetricStat: {
                    Metric: {
                      Namespace: namespace,
                      MetricName: name,
                      Dimensions: Object.entries(dimensions).map(([Name, Value]) => ({
                        Name,
                        Value,
                      })),
                    },
                    Period: DAY_SECONDS,
                    Stat: statistic,
                  },
                },
              ],
              ...(next === undefined ? {} : { NextToken: next }),
            }),
          ),
        );
        for (const { StatusCode, Timestamps = [], Values = [] } of MetricDataResults) {
          if (StatusCode !== undefined && !['Complete', 'PartialData'].includes(StatusCode)) {
            throw new OperationFailure('ServerError', `metrics: ${name} is ${StatusCode}`);
          }
          Timestamps.forEach((at, i) => {
            const day = at.toISOString().slice(0, 'yyyy-mm-dd'.length);
            days.set(day, (days.get(day) ?? 0) + (Values[i] ?? 0));
          });
        }
        if (NextToken === undefined) return days;
        next = NextToken;
      }
      throw new OperationFailure('OutputTooLarge', `metrics: ${name} has too many points`);
    },
  };
}
