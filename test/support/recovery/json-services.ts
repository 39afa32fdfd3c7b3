import type { Clock } from '#ports/clock.ts';
import type { Databases } from './databases.ts';
import type { Answer, Asked, EmulationOptions, Request, Service } from './emulation.ts';
import { xml, xmlError } from './xml.ts';

/** Services that speak JSON, and SNS, which speaks forms. */
export interface JsonServices {
  readonly all: readonly Service[];
  readonly recoveryPoints: { readonly arn: string; readonly at: number; readonly status: string }[];
  readonly announced: { readonly subject: string; readonly message: string }[];
  readonly fleet: { least: number; most: number; startedAt: number | null };
  readonly secrets: Record<string, unknown>[];
  readonly topics: Record<string, unknown>[];
  /** Of the API: requests and failures by day, `2026-11-30`. */
  readonly served: Map<string, { readonly requests: number; readonly failed: number }>;
  /** Events that the check of integrity was asked with. */
  readonly checks: object[];
}

const TASKS_START_MS = 90_000;

export function createJsonServices(
  { clock, checkIntegrity }: EmulationOptions,
  _databases: Databases,
): JsonServices {
  const state: Omit<JsonServices, 'all'> = {
    recoveryPoints: [],
    announced: [],
    fleet: { least: 0, most: 0, startedAt: null },
    secrets: [],
    topics: [],
    served: new Map(),
    checks: [],
  };
  return {
    ...state,
    all: [
      rest('backup', clock, {
        'GET /backup-vaults/': [
          'ListRecoveryPointsByBackupVault',
          () => ({
            RecoveryPoints: state.recoveryPoints.map(({ arn, at, status }) => ({
              RecoveryPointArn: arn,
              CreationDate: at / 1_000,
              Status: status,
              ResourceType: 'Aurora',
            })),
          }),
        ],
      }),
      rest('lambda', clock, {
        'POST /2015-03-31/functions/': [
          'Invoke',
          async (request) => {
            const event = JSON.parse(request.body) as object;
            state.checks.push(event);
            return checkIntegrity(event);
          },
        ],
      }),
      rest('kafka', clock, {
        'GET /v1/clusters/': [
          'ListTopics or DescribeTopic',
          ({ path }) => {
            const [, , , , , name] = path.split('/').map(decodeURIComponent);
            if (name === undefined) {
              return { topics: state.topics.map((topic) => ({ topicName: topic['topicName'] })) };
            }
            return state.topics.find((topic) => topic['topicName'] === name) ?? {};
          },
        ],
      }),
      targets(state, clock),
      announcements(state),
    ],
  };
}

const json = (status: number, body: unknown, headers: Record<string, string> = {}): Answer => ({
  status,
  type: 'application/json',
  body: JSON.stringify(body),
  headers,
});
const refuse = (status: number, code: string, message: string): Answer =>
  json(status, { __type: code, message }, { 'x-amzn-errortype': code });

type Route = readonly [name: string, answer: (request: Request) => unknown];

function rest(service: string, _: Clock, routes: Readonly<Record<string, Route>>): Service {
  return {
    understand(request) {
      const line = `${request.method} ${request.path}`;
      const found = Object.entries(routes).find(([start]) => line.startsWith(start));
      return found === undefined
        ? null
        : { operation: `${service}.${found[1][0]}`, input: { request, route: found[0] } };
    },
    async answer({ input }: Asked) {
      const { request, route } = input as { request: Request; route: string };
      try {
        return json(200, await routes[route]?.[1](request));
      } catch (error) {
        // As Lambda tells that a function threw.
        const said = { errorType: (error as Error).name, errorMessage: (error as Error).message };
        return json(200, said, { 'x-amz-function-error': 'Unhandled' });
      }
    },
    refuse,
  };
}

function targets(state: Omit<JsonServices, 'all'>, clock: Clock): Service {
  const operations: Readonly<
    Record<string, readonly [string, (input: Record<string, unknown>) => unknown]>
  > = {
    'AmazonEC2ContainerServiceV20141113.DescribeServices': [
      'ecs.DescribeServices',
      () => {
        const { least, startedAt } = state.fleet;
        const up = startedAt !== null && clock.now() >= startedAt + TASKS_START_MS;
        return {
          services: [
            {
              serviceName: 'engine',
              status: 'ACTIVE',
              desiredCount: least,
              runningCount: up ? least : 0,
            },
          ],
        };
      },
    ],
    'AnyScaleFrontendService.RegisterScalableTarget': [
      'scaling.RegisterScalableTarget',
      (input) => {
        state.fleet.startedAt ??= clock.now();
        state.fleet.least = Number(input['MinCapacity']);
        state.fleet.most = Number(input['MaxCapacity']);
        return {};
      },
    ],
    'GraniteServiceVersion20100801.GetMetricData': [
      'cloudwatch.GetMetricData',
      (input) => {
        const [query] = input['MetricDataQueries'] as readonly [
          { Id: string; MetricStat: { Metric: { MetricName: string }; Period: number } },
        ];
        const { MetricName } = query.MetricStat.Metric;
        if (query.MetricStat.Period !== 86_400) throw new Error('this period is not emulated');
        const [from, to] = [Number(input['StartTime']), Number(input['EndTime'])];
        // Where nothing was counted there is no point.
        const points = [...state.served]
          .map(([day, { requests, failed }]) => ({
            at: Date.parse(`${day}T00:00:00Z`) / 1_000,
            value: MetricName === 'Count' ? requests : failed,
          }))
          .filter(({ at, value }) => at >= from && at < to && value > 0);
        return {
          MetricDataResults: [
            {
              Id: query.Id,
              StatusCode: 'Complete',
              Timestamps: points.map(({ at }) => at),
              Values: points.map(({ value }) => value),
            },
          ],
        };
      },
    ],
    'secretsmanager.ListSecrets': ['secrets.ListSecrets', () => ({ SecretList: state.secrets })],
  };
  return {
    understand({ headers, body }) {
      const found = operations[String(headers['x-amz-target'])];
      if (found === undefined) return null;
      const input = JSON.parse(body) as Record<string, unknown>;
      return { operation: found[0], input: { target: headers['x-amz-target'], ...input } };
    },
    answer: ({ input }) => json(200, operations[String(input['target'])]?.[1](input)),
    refuse,
  };
}

function announcements(state: Omit<JsonServices, 'all'>): Service {
  return {
    understand({ headers, body }) {
      if (!String(headers['content-type']).includes('x-www-form-urlencoded')) return null;
      const input = Object.fromEntries(new URLSearchParams(body));
      return input['Version'] === '2010-03-31'
        ? { operation: `sns.${String(input['Action'])}`, input }
        : null;
    },
    answer({ input }) {
      const { Subject: subject = '', Message: message = '' } = input as Record<string, string>;
      state.announced.push({ subject, message });
      return {
        status: 200,
        type: 'text/xml',
        body: `<PublishResponse><PublishResult>${xml({ MessageId: 'm' })}</PublishResult></PublishResponse>`,
      };
    },
    refuse: xmlError,
  };
}
