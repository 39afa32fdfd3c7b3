/**
 * One dashboard a service: what somebody looks at who wants to know how it does. Data, of the same
 * signals as alarms; `constructs/dashboard.ts` draws it.
 */
import { ofSockets } from './alarms/sockets.ts';
import type { AwsMetricName } from './aws-metrics.ts';
import { type DashboardSpec, type Lines, line, percentiles } from './charts.ts';
import { homeFunctionsOf } from './functions.ts';
import { resourceNames } from './resources.ts';
import { aws, math, ours, type Statistic } from './signals.ts';
import type { StageSettings } from './stage-settings.ts';
import { dataDashboard, eventsDashboard } from './store-dashboards.ts';

export function dashboardsOf(settings: StageSettings): readonly DashboardSpec[] {
  const all = [
    apiDashboard(settings),
    socketsDashboard(settings),
    workflowsDashboard(settings),
    engineDashboard(settings),
    dataDashboard(settings),
    eventsDashboard(settings),
    functionsDashboard(settings),
  ];
  if (!settings.oneDashboard) return all;
  return [
    {
      name: 'all',
      about: 'everything that has a dashboard of its own elsewhere',
      charts: all.flatMap(({ name, charts }) =>
        charts.map((chart) => ({ ...chart, title: `${name}: ${chart.title}` })),
      ),
    },
  ];
}

function apiDashboard({ stage }: StageSettings): DashboardSpec {
  const { api, apiStage } = resourceNames(stage);
  const at = { ApiName: api, Stage: apiStage };
  const all = aws('AWS/ApiGateway', 'Count', 'SampleCount', at);
  const requests = (operation: string): Lines[number] =>
    line(operation, ours(stage, 'ApiRequests', 'Sum', { Operation: operation, Class: '2xx' }));
  return {
    name: 'api',
    about: 'requests, errors and latency of the REST API',
    charts: [
      { title: 'Requests', lines: [line('all', all)] },
      {
        title: 'Errors',
        lines: [
          line('4xx', aws('AWS/ApiGateway', '4XXError', 'Sum', at)),
          line('5xx', aws('AWS/ApiGateway', '5XXError', 'Sum', at)),
        ],
      },
      {
        title: 'Success rate, %',
        lines: [
          {
            label: 'not 5xx',
            signal: math('100 - 100 * failed / all', {
              failed: aws('AWS/ApiGateway', '5XXError', 'Sum', at),
              all,
            }),
          },
        ],
      },
      {
        title: 'Latency at the edge, ms',
        lines: percentiles((statistic) => aws('AWS/ApiGateway', 'Latency', statistic, at)),
      },
      {
        title: 'Requests that were served, by operation',
        lines: ['executeWorkflow', 'getExecution', 'listExecutions', 'createWorkflow'].map(
          requests,
        ),
      },
      {
        title: 'Latency inside our code, ms',
        lines: percentiles((statistic) =>
          ours(stage, 'ApiLatency', statistic, { Operation: 'executeWorkflow', Class: '2xx' }),
        ),
      },
    ],
  };
}

function socketsDashboard(settings: StageSettings): DashboardSpec {
  const of = (label: string, name: AwsMetricName<'AWS/ApiGateway sockets'>): Lines[number] =>
    line(label, ofSockets(settings, name));
  return {
    name: 'sockets',
    about: 'connections and messages of WebSockets',
    charts: [
      { title: 'Asked to connect', lines: [of('all', 'ConnectCount')] },
      { title: 'Messages, either way', lines: [of('all', 'MessageCount')] },
      {
        title: 'Errors',
        lines: [
          of('by clients', 'ClientError'),
          of('that our function answered', 'IntegrationError'),
          of('without its answer', 'ExecutionError'),
        ],
      },
      {
        title: 'Our function, ms',
        lines: percentiles((statistic) => ofSockets(settings, 'IntegrationLatency', statistic)),
      },
    ],
  };
}

const STEP_TYPES = ['http_request', 'database_operation', 'notification', 'sub_workflow'] as const;
const RUNTIMES = ['engine', 'step_functions'] as const;

function workflowsDashboard({ stage }: StageSettings): DashboardSpec {
  const ended = (Runtime: string, Status: string): Lines[number] =>
    line(`${Status} on ${Runtime}`, ours(stage, 'ExecutionsEnded', 'Sum', { Runtime, Status }));
  return {
    name: 'workflows',
    about: 'executions and steps on both runtimes',
    charts: [
      {
        title: 'Executions that ended',
        lines: RUNTIMES.flatMap((runtime) => [
          ended(runtime, 'COMPLETED'),
          ended(runtime, 'FAILED'),
        ]),
      },
      {
        title: 'From acceptance to the start, ms (p99)',
        lines: RUNTIMES.map((Runtime) =>
          line(Runtime, ours(stage, 'StartDelay', 'p99', { Runtime })),
        ),
      },
      {
        title: 'From acceptance to the end, ms (p99)',
        lines: RUNTIMES.map((Runtime) =>
          line(Runtime, ours(stage, 'ExecutionDuration', 'p99', { Runtime })),
        ),
      },
      {
        title: 'Due, and nobody runs them',
        lines: RUNTIMES.map((Runtime) =>
          line(Runtime, ours(stage, 'ExecutionsDue', 'Maximum', { Runtime })),
        ),
      },
      {
        title: 'Starts that wait',
        lines: [line('starts', ours(stage, 'StartsWaiting', 'Maximum', {}))],
      },
      {
        title: 'How long the oldest start has waited, s, and how full its fullest queue is, %',
        lines: [
          line('oldest, s', ours(stage, 'OldestStartWaiting', 'Maximum', {})),
          line('fullest, %', ours(stage, 'StartQueueFill', 'Maximum', {})),
        ],
      },
      {
        title: 'Bulk operations',
        lines: [
          line('open', ours(stage, 'BulkOperationsOpen', 'Maximum', {})),
          line('executions seen', ours(stage, 'BulkExecutionsSeen', 'Sum', {})),
          line('no turn for, s', ours(stage, 'BulkOperationsIdle', 'Maximum', {})),
        ],
      },
      {
        title: 'Steps, ms (p99)',
        lines: STEP_TYPES.map((StepType) =>
          line(StepType, ours(stage, 'StepDuration', 'p99', { StepType })),
        ),
      },
      {
        title: 'Steps that failed',
        lines: STEP_TYPES.map((StepType) =>
          line(StepType, ours(stage, 'StepsEnded', 'Sum', { StepType, Status: 'FAILED' })),
        ),
      },
      {
        title: 'Why steps fail',
        lines: ['Timeout', 'ConnectionError', 'ServerError', 'ClientError', 'Custom'].map((name) =>
          line(name, ours(stage, 'StepErrors', 'Sum', { Error: name })),
        ),
      },
      {
        title: 'Step Functions',
        lines: [
          line('starts deferred', ours(stage, 'MachineStartsDeferred', 'Sum', {})),
          line('fell back to the engine', ours(stage, 'MachineStartsFellBack', 'Sum', {})),
          line('ends unreported', ours(stage, 'MachinesUnreported', 'Sum', {})),
          line('undo incomplete', ours(stage, 'CompensationsIncomplete', 'Sum', {})),
        ],
      },
    ],
  };
}

function engineDashboard({ stage }: StageSettings): DashboardSpec {
  const names = resourceNames(stage);
  const at = { ClusterName: names.cluster, ServiceName: names.engine };
  return {
    name: 'engine',
    about: 'the processes of the engine',
    charts: [
      {
        title: 'Tasks',
        lines: [line('running', aws('ECS/ContainerInsights', 'RunningTaskCount', 'Average', at))],
      },
      {
        title: 'Utilisation, %',
        lines: [
          line('processors', aws('AWS/ECS', 'CPUUtilization', 'Average', at)),
          line('memory', aws('AWS/ECS', 'MemoryUtilization', 'Average', at)),
        ],
      },
      {
        title: 'Disk of a task, GB',
        lines: [
          line('there is', aws('ECS/ContainerInsights', 'EphemeralStorageReserved', 'Average', at)),
          line('used', aws('ECS/ContainerInsights', 'EphemeralStorageUtilized', 'Maximum', at)),
        ],
      },
      {
        title: 'Containers that were started again',
        lines: [line('all', aws('ECS/ContainerInsights', 'RestartCount', 'Sum', at))],
      },
      {
        title: 'In one process',
        lines: [
          line('executions', ours(stage, 'EngineExecutions', 'Maximum', {})),
          line('calls running', ours(stage, 'EngineCallsRunning', 'Maximum', {})),
          line('calls waiting', ours(stage, 'EngineCallsWaiting', 'Maximum', {})),
        ],
      },
      {
        title: 'Ownership',
        lines: [
          line('taken over', ours(stage, 'EngineTakeOvers', 'Sum', {})),
          line('leases lost', ours(stage, 'EngineLeasesLost', 'Sum', {})),
        ],
      },
      {
        title: 'One commit, ms',
        lines: percentiles((statistic) => ours(stage, 'AppendDuration', statistic, {})),
      },
      {
        title: 'Transitions in one commit',
        lines: percentiles((statistic) => ours(stage, 'AppendSize', statistic, {})),
      },
      {
        title: 'Calls that were not made',
        lines: [
          line('breaker open', ours(stage, 'CallsRefused', 'Sum', { Reason: 'open' })),
          line('too many wait', ours(stage, 'CallsRefused', 'Sum', { Reason: 'busy' })),
          line('breakers opened', ours(stage, 'CircuitsOpened', 'Sum', {})),
        ],
      },
      {
        title: 'Evaluator',
        lines: [
          line('waiting', ours(stage, 'EvaluatorWaiting', 'Maximum', { Program: 'engine' })),
          line('killed', ours(stage, 'EvaluatorKills', 'Sum', {})),
        ],
      },
    ],
  };
}

function functionsDashboard({ stage, events }: StageSettings): DashboardSpec {
  const names = resourceNames(stage);
  const each = (
    name: 'Invocations' | 'Errors' | 'Throttles' | 'Duration' | 'ConcurrentExecutions',
    statistic: Statistic,
  ): Lines =>
    homeFunctionsOf({ events }).map((program) =>
      line(
        program,
        aws('AWS/Lambda', name, statistic, { FunctionName: names.functionName(program) }),
      ),
    );
  return {
    name: 'functions',
    about: 'every Lambda function',
    charts: [
      { title: 'Invocations', lines: each('Invocations', 'Sum') },
      { title: 'Errors', lines: each('Errors', 'Sum') },
      { title: 'Throttles', lines: each('Throttles', 'Sum') },
      { title: 'Duration, ms (p99)', lines: each('Duration', 'p99') },
      { title: 'At a time', lines: each('ConcurrentExecutions', 'Maximum') },
    ],
  };
}
