import { homeFunctionsOf } from './functions.ts';
import { resourceNames } from './resources.ts';
import type { StageSettings } from './stage-settings.ts';

/** Questions that people ask the log, saved where they ask them (CloudWatch, Logs Insights). */
export interface SavedQuery {
  /** It is called `cloudflow-<stage>/<name>`. */
  readonly name: string;
  readonly about: string;
  readonly groups: readonly string[];
  readonly query: string;
}

export function savedQueries({
  stage,
  events,
}: Pick<StageSettings, 'stage' | 'events'>): readonly SavedQuery[] {
  const names = resourceNames(stage);
  const groups = [
    ...homeFunctionsOf({ events }).map((name) => `/aws/lambda/${names.functionName(name)}`),
    `/cloudflow/${stage}/engine`,
  ];
  const lines =
    'fields @timestamp, level, event, program, tenant, execution_id, request_id, status';
  return [
    {
      name: 'by-id',
      about: 'everything of one request, execution, call or tenant: put its id in place of ID',
      groups,
      query: [
        `${lines}, duration_ms, error.code, error.message`,
        '| filter request_id = "ID" or correlation_id = "ID" or execution_id = "ID" or tenant = "ID"',
        '| sort @timestamp asc',
        '| limit 1000',
      ].join('\n'),
    },
    {
      name: 'what-goes-wrong',
      about: 'warnings and errors, by event and program',
      groups,
      query: [
        'filter level in ["warn", "error"]',
        '| stats count(*) as lines, count_distinct(tenant) as tenants, latest(@timestamp) as last by event, program, error.code',
        '| sort lines desc',
      ].join('\n'),
    },
    {
      name: 'failing-operations',
      about: 'requests that failed by our fault, by operation and tenant',
      groups,
      query: [
        'filter event = "REQUEST_SERVED" and status >= 500',
        '| stats count(*) as failed by operation, status, tenant',
        '| sort failed desc',
      ].join('\n'),
    },
    {
      name: 'availability-by-tenant',
      about:
        'share of requests that did not fail by our fault, by tenant: the month’s service level',
      groups,
      query: [
        'filter event = "REQUEST_SERVED" and ispresent(tenant)',
        '| stats count(*) as requests, sum(status >= 500) as failed, 100 * (1 - sum(status >= 500) / count(*)) as percent by tenant',
        '| sort percent asc',
      ].join('\n'),
    },
  ];
}
