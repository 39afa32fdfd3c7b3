/**
 * One dashboard a service: what somebody looks at who wants to know how it does. Data, of the same
 * signals as alarms; `constructs/dashboard.ts` draws it.
 */
import { cacheCharts } from './cache-charts.ts';
import { type Chart, type Lines, line } from './charts.ts';
import { homeFunctionNames } from './functions.ts';
import { QUEUES } from './queues.ts';
import { resourceNames } from './resources.ts';
import { aws, math, ours, type Series, type Statistic } from './signals.ts';
import type { StageSettings } from './stage-settings.ts';

export interface DashboardSpec {
  /** The dashboard is called `cloudflow-<stage>-<name>`. */
  readonly name: string;
  readonly about: string;
  readonly charts: readonly Chart[];
}

const percentiles = (of: (statistic: Statistic) => Series): Lines =>
  (['p50', 'p95', 'p99'] as const).map((statistic) => line(statistic, of(statistic)));

export function dashboardsOf(settings: StageSettings): readonly DashboardSpec[] {
  return [
    apiDashboard(settings),
    workflowsDashboard(settings),
    engineDashboard(settings),
    dataDashboard(settings),
    eventsDashboard(settings),
    functionsDashboard(settings),
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

function dataDashboard(settings: StageSettings): DashboardSpec {
  const { stage, database } = settings;
  const names = resourceNames(stage);
  const of = (Role: 'WRITER' | 'READER') => ({ DBClusterIdentifier: names.database, Role });
  const charts: Chart[] = [
    {
      title: 'Processors, %',
      lines: [
        line('writer', aws('AWS/RDS', 'CPUUtilization', 'Average', of('WRITER'))),
        line('readers', aws('AWS/RDS', 'CPUUtilization', 'Average', of('READER'))),
      ],
    },
    {
      title: 'Connections',
      lines: [
        line('writer', aws('AWS/RDS', 'DatabaseConnections', 'Sum', of('WRITER'))),
        line('readers', aws('AWS/RDS', 'DatabaseConnections', 'Sum', of('READER'))),
        line('that failed', ours(stage, 'DatabaseConnectFailures', 'Sum', {})),
      ],
    },
    {
      title: 'Commits, ms',
      lines: [line('average', aws('AWS/RDS', 'CommitLatency', 'Average', of('WRITER')))],
    },
    {
      title: 'Readers behind, ms',
      lines: [line('furthest', aws('AWS/RDS', 'AuroraReplicaLag', 'Maximum', of('READER')))],
    },
    {
      title: 'Memory that is free',
      lines: [line('writer', aws('AWS/RDS', 'FreeableMemory', 'Minimum', of('WRITER')))],
    },
    {
      title: 'Pools of the engine, % in use',
      lines: (['cloudflow_app', 'cloudflow_engine'] as const).map((Pool) =>
        line(Pool, ours(stage, 'PoolUse', 'Maximum', { Program: 'engine', Pool })),
      ),
    },
  ];
  if (database.proxy) {
    const at = { ProxyName: names.proxy };
    charts.push({
      title: 'Proxy',
      lines: [
        line('clients', aws('AWS/RDS proxy', 'ClientConnections', 'Sum', at)),
        line('connections', aws('AWS/RDS proxy', 'DatabaseConnections', 'Sum', at)),
        line(
          'pinned',
          aws('AWS/RDS proxy', 'DatabaseConnectionsCurrentlySessionPinned', 'Sum', at),
        ),
      ],
    });
  }
  return {
    name: 'data',
    about: 'the database, its proxy and the pools in front of it, and the cache',
    charts: [...charts, ...cacheCharts(settings)],
  };
}

function eventsDashboard({ stage, events }: StageSettings): DashboardSpec {
  const names = resourceNames(stage);
  const at = { 'Cluster Name': names.kafka };
  const brokers = Array.from({ length: events.brokers }, (_, i) => String(i + 1));
  const each = (name: 'CpuUser' | 'BytesInPerSec' | 'BytesOutPerSec'): Lines =>
    brokers.map((id) =>
      line(`broker ${id}`, aws('AWS/Kafka broker', name, 'Average', { ...at, 'Broker ID': id })),
    );
  return {
    name: 'events',
    about: 'Kafka, its consumers and the queues between programs',
    charts: [
      {
        title: 'Kafka',
        lines: [
          line('partitions', aws('AWS/Kafka', 'GlobalPartitionCount', 'Maximum', at)),
          line('offline', aws('AWS/Kafka', 'OfflinePartitionsCount', 'Maximum', at)),
        ],
      },
      { title: 'Processors of brokers, % in user space', lines: each('CpuUser') },
      { title: 'Bytes in, a second', lines: each('BytesInPerSec') },
      { title: 'Bytes out, a second', lines: each('BytesOutPerSec') },
      {
        title: 'Queues: oldest message, s',
        lines: Object.keys(QUEUES).map((queue) =>
          line(
            queue,
            aws('AWS/SQS', 'ApproximateAgeOfOldestMessage', 'Maximum', {
              QueueName: names.queue(queue),
            }),
          ),
        ),
      },
      {
        title: 'Queues: dead letters',
        lines: Object.keys(QUEUES).map((queue) =>
          line(
            queue,
            aws('AWS/SQS', 'ApproximateNumberOfMessagesVisible', 'Maximum', {
              QueueName: names.deadQueue(queue),
            }),
          ),
        ),
      },
    ],
  };
}

function functionsDashboard({ stage }: StageSettings): DashboardSpec {
  const names = resourceNames(stage);
  const each = (
    name: 'Invocations' | 'Errors' | 'Throttles' | 'Duration' | 'ConcurrentExecutions',
    statistic: Statistic,
  ): Lines =>
    homeFunctionNames.map((program) =>
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
