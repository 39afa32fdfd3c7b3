/**
 * Every metric of the platform: its name, what it counts, its unit and its dimensions. Programs
 * measure by these declarations, alarms and dashboards name them, the docs list them, and a test holds
 * that each is measured somewhere. What AWS measures of its services itself is not measured again.
 *
 *  M1 a dimension takes few values, all of ours (see `DIMENSIONS`): a tenant, an id or a name that
 *     somebody chose would be a time series each.
 */
interface Declared {
  readonly about: string;
  readonly unit: 'Count' | 'Milliseconds' | 'Seconds' | 'Percent';
  readonly kind: 'count' | 'values' | 'level';
  readonly dimensions: readonly Dimension[];
  /** Kept by the second and not by the minute, for alarms that cannot wait for one; dearer. */
  readonly bySecond?: true;
}

export const DIMENSIONS = {
  Operation: 'operation of the API, as the contract names it; `none` where no route was found',
  Class: '2xx, 3xx, 4xx or 5xx',
  Runtime: 'engine or step_functions',
  Status: 'COMPLETED, FAILED or CANCELLED of executions; SUCCESS, FAILED or SKIPPED of steps',
  StepType: 'type of a step, as the language names it',
  Error: 'error of the language without its prefix; `Custom` for those that authors name',
  Program: 'program of the platform',
  Pool: 'role that a pool of connections logs in as',
  Reason: 'why something was refused or ended, from a short list in the code that measures it',
  Topic: 'topic of the event log',
  Secret: 'secret whose key the platform turns by itself',
  Dependency: 'what a program asks outside itself, as config/breakers.ts names it',
  Group: 'group of readers of a topic',
  Cache: 'kind of values that are kept besides, as config/caches.ts names it',
  From: 'where a value was found: process, shared (by all processes) or source',
} as const;

export type Dimension = keyof typeof DIMENSIONS;

const declared = {
  // The API
  ApiRequests: {
    about: 'answers, by operation and class of status',
    unit: 'Count',
    kind: 'count',
    dimensions: ['Operation', 'Class'],
  },
  ApiLatency: {
    about: 'from the arrival of a request to its answer, inside our code',
    unit: 'Milliseconds',
    kind: 'values',
    dimensions: ['Operation', 'Class'],
  },

  RateLimited: {
    about: 'requests refused because whoever they are counted with had made too many',
    unit: 'Count',
    kind: 'count',
    dimensions: ['Reason'],
  },
  RateLimitsAlone: {
    about: 'requests that one process counted alone, for the windows of all gave no answer',
    unit: 'Count',
    kind: 'count',
    dimensions: [],
  },

  AuditNotTold: {
    about: 'calls that the audit trail could not be told of; changes among them were not made',
    unit: 'Count',
    kind: 'count',
    dimensions: [],
  },
  AuditSealed: {
    about: 'entries of the audit trail that were taken into their chains',
    unit: 'Count',
    kind: 'count',
    dimensions: [],
  },

  // Executions and steps, on either runtime
  ExecutionsStarted: {
    about: 'executions that began to run',
    unit: 'Count',
    kind: 'count',
    dimensions: ['Runtime'],
  },
  StartDelay: {
    about: 'from acceptance to the start',
    unit: 'Milliseconds',
    kind: 'values',
    dimensions: ['Runtime'],
  },
  ExecutionsEnded: {
    about: 'executions that ended',
    unit: 'Count',
    kind: 'count',
    dimensions: ['Runtime', 'Status'],
  },
  ExecutionDuration: {
    about: 'from acceptance to the end',
    unit: 'Milliseconds',
    kind: 'values',
    dimensions: ['Runtime'],
  },
  CompensationsIncomplete: {
    about: 'executions that ended with something that could not be undone',
    unit: 'Count',
    kind: 'count',
    dimensions: [],
  },
  StepsEnded: {
    about: 'steps that ended',
    unit: 'Count',
    kind: 'count',
    dimensions: ['StepType', 'Status'],
  },
  StepDuration: {
    about: 'from the start of a step to its end, retries included',
    unit: 'Milliseconds',
    kind: 'values',
    dimensions: ['StepType'],
  },
  StepErrors: {
    about: 'steps that failed, by error',
    unit: 'Count',
    kind: 'count',
    dimensions: ['Error'],
  },
  StepRetries: {
    about: 'attempts that failed and are made again',
    unit: 'Count',
    kind: 'count',
    dimensions: ['StepType'],
  },

  // What waits, as the database knows it
  ExecutionsDue: {
    about: 'executions that are due and that nobody runs (as many as were looked at)',
    unit: 'Count',
    kind: 'level',
    dimensions: ['Runtime'],
  },
  OldestDue: {
    about: 'how long the one that waits longest has been due',
    unit: 'Seconds',
    kind: 'level',
    dimensions: ['Runtime'],
  },

  StartsWaiting: {
    about: 'executions that wait until they may begin: for a slot, a rate, or the end of a pause',
    unit: 'Count',
    kind: 'level',
    dimensions: [],
  },
  OldestStartWaiting: {
    about: 'how long the one of them that was accepted first has waited, but for paused workflows',
    unit: 'Seconds',
    kind: 'level',
    dimensions: [],
  },
  StartQueueFill: {
    about: 'how full the queue of starts is that is nearest to its bound',
    unit: 'Percent',
    kind: 'level',
    dimensions: [],
  },
  BulkOperationsOpen: {
    about: 'bulk operations that are under way or wait for their turn',
    unit: 'Count',
    kind: 'level',
    dimensions: [],
  },
  BulkOperationsIdle: {
    about: 'how long the bulk operation whose turn it is has had none',
    unit: 'Seconds',
    kind: 'level',
    dimensions: [],
  },
  BulkExecutionsSeen: {
    about: 'executions that bulk operations have changed, or were refused for',
    unit: 'Count',
    kind: 'count',
    dimensions: [],
  },

  // The engine
  EngineExecutions: {
    about: 'executions in the memory of one process',
    unit: 'Count',
    kind: 'level',
    dimensions: [],
  },
  EngineCallsRunning: {
    about: 'calls of steps under way in one process',
    unit: 'Count',
    kind: 'level',
    dimensions: [],
  },
  EngineCallsWaiting: {
    about: 'calls of steps that wait for a slot in one process',
    unit: 'Count',
    kind: 'level',
    dimensions: [],
  },
  EngineTakeOvers: {
    about: 'executions taken over from processes that are gone',
    unit: 'Count',
    kind: 'count',
    dimensions: [],
  },
  EngineLeasesLost: {
    about: 'times that a process had to forget all it had',
    unit: 'Count',
    kind: 'count',
    dimensions: [],
  },
  EngineFailures: {
    about: 'transitions whose answer was lost, and loops that failed: all are repeated',
    unit: 'Count',
    kind: 'count',
    dimensions: ['Reason'],
  },
  AppendDuration: {
    about: 'one commit of a group of transitions',
    unit: 'Milliseconds',
    kind: 'values',
    dimensions: [],
  },
  AppendSize: {
    about: 'transitions in one commit',
    unit: 'Count',
    kind: 'values',
    dimensions: [],
  },

  // Step Functions
  MachineStartsDeferred: {
    about: 'starts of state machines that wait for a quota',
    unit: 'Count',
    kind: 'count',
    dimensions: [],
  },
  MachineStartsFellBack: {
    about: 'executions that asked for no runtime and run on the engine, for want of a quota',
    unit: 'Count',
    kind: 'count',
    dimensions: [],
  },
  TasksNotRun: {
    about:
      'tasks that the step runner could not run, for a part of ours was away; all are repeated',
    unit: 'Count',
    kind: 'count',
    dimensions: [],
  },
  MachinesUnreported: {
    about: 'state machines that ended without their report',
    unit: 'Count',
    kind: 'count',
    dimensions: [],
  },
  DriverFailures: {
    about: 'work of the driver that failed and is repeated',
    unit: 'Count',
    kind: 'count',
    dimensions: ['Reason'],
  },

  // Events
  OutboxLag: {
    about: 'how long the oldest message that waits to be relayed to its topic has waited',
    unit: 'Seconds',
    kind: 'level',
    dimensions: ['Topic'],
  },
  OutboxDaysKept: {
    about:
      'days of the outbox that are older than it is kept and stay, since not all of them was read',
    unit: 'Count',
    kind: 'count',
    dimensions: [],
  },
  EventsRelayed: {
    about: 'messages that were relayed to their topic',
    unit: 'Count',
    kind: 'count',
    dimensions: ['Topic'],
  },
  EventsHandled: {
    about: 'events that a group has made something of; repeats are not counted',
    unit: 'Count',
    kind: 'count',
    dimensions: ['Group'],
  },
  EnginesNotHeard: {
    about:
      'calls that asked an engine over Kafka and, without an answer in time, did it themselves',
    unit: 'Count',
    kind: 'count',
    dimensions: [],
  },
  DeadLettersLaid: {
    about: 'messages that a group could not use after all its tries',
    unit: 'Count',
    kind: 'count',
    dimensions: ['Group'],
  },
  MailSent: {
    about: 'mails that were handed over to be delivered',
    unit: 'Count',
    kind: 'count',
    dimensions: [],
  },
  MailDelay: {
    about: 'from the wish for a mail to its being handed over',
    unit: 'Milliseconds',
    kind: 'values',
    dimensions: [],
  },
  MailNotSent: {
    about: 'mails that are sent to nobody, by why: expired, no_template, test_mode, no_sender',
    unit: 'Count',
    kind: 'count',
    dimensions: ['Reason'],
  },
  DeadLettersOpen: {
    about: 'messages laid aside that nobody has seen to (as many as were looked at)',
    unit: 'Count',
    kind: 'level',
    dimensions: [],
  },
  DeadLettersNearDue: {
    about: 'those of them that are due within an hour, or were',
    unit: 'Count',
    kind: 'level',
    dimensions: [],
  },

  // What the platform stands on
  RegionUnanswered: {
    about:
      'asked from the region that waits: 1 where the API of the one that serves gave no answer, 0 where it did',
    unit: 'Count',
    kind: 'values',
    dimensions: [],
    bySecond: true,
  },

  PlatformKeyAge: {
    about: 'how long the key of a secret that the platform turns by itself has been used, in days',
    unit: 'Count',
    kind: 'level',
    dimensions: ['Secret'],
  },
  PoolUse: {
    about: 'connections of a pool in use, of those it may have',
    unit: 'Percent',
    kind: 'level',
    dimensions: ['Program', 'Pool'],
  },
  PoolWaiting: {
    about: 'callers that wait for a connection of a pool',
    unit: 'Count',
    kind: 'level',
    dimensions: ['Program', 'Pool'],
  },
  ReadersUnanswered: {
    about: 'reads that a reader of the database did not answer, so that the writer did',
    unit: 'Count',
    kind: 'count',
    dimensions: [],
  },
  CacheReads: {
    about:
      'values that were asked for, by where they were found; from the source: they were not kept',
    unit: 'Count',
    kind: 'count',
    dimensions: ['Cache', 'From'],
  },
  CacheFailures: {
    about:
      'commands about values to which the cache gave no answer, or the breaker none in its place',
    unit: 'Count',
    kind: 'count',
    dimensions: ['Cache'],
  },
  CacheUnusable: {
    about:
      'values that were not kept or not used: too large, or not what somebody of ours had written',
    unit: 'Count',
    kind: 'count',
    dimensions: ['Cache', 'Reason'],
  },
  CacheConnectFailures: {
    about: 'connections to the cache that could not be had, or were lost',
    unit: 'Count',
    kind: 'count',
    dimensions: [],
  },
  DatabaseConnectFailures: {
    about: 'connections to the database that could not be had',
    unit: 'Count',
    kind: 'count',
    dimensions: [],
  },
  StoreViolations: {
    about: 'executions of the daily sample that contradict their logs',
    unit: 'Count',
    kind: 'count',
    dimensions: [],
  },
  BreakersOpened: {
    about: 'circuit breakers that opened: something that a program stands on has stopped answering',
    unit: 'Count',
    kind: 'count',
    dimensions: ['Dependency'],
  },
  BreakerRefusals: {
    about: 'calls that were not made because a circuit breaker was open',
    unit: 'Count',
    kind: 'count',
    dimensions: ['Dependency'],
  },
  CircuitsOpened: {
    about: 'circuit breakers that opened: a target has stopped answering one tenant',
    unit: 'Count',
    kind: 'count',
    dimensions: [],
  },
  CircuitsOpen: {
    about: 'circuit breakers that are open in one process',
    unit: 'Count',
    kind: 'level',
    dimensions: ['Program'],
  },
  CallsRefused: {
    about: 'calls of steps that were not made',
    unit: 'Count',
    kind: 'count',
    dimensions: ['Reason'],
  },
  EvaluatorKills: {
    about: 'evaluator processes that were ended because of an expression',
    unit: 'Count',
    kind: 'count',
    dimensions: [],
  },
  EvaluatorWaiting: {
    about: 'evaluations that wait for a process',
    unit: 'Count',
    kind: 'level',
    dimensions: ['Program'],
  },
} as const satisfies Record<string, Declared>;

export type MetricName = keyof typeof declared;

type Catalogue = {
  readonly [Name in MetricName]: (typeof declared)[Name] & { readonly name: Name };
};

/** The declarations, each with its name. */
export const METRICS = Object.fromEntries(
  Object.entries(declared).map(([name, metric]) => [name, { name, ...metric }]),
) as Catalogue;

export const metricNames = Object.keys(METRICS) as MetricName[];

/** Namespace of CloudWatch in which a stage's metrics stand. */
export function metricNamespace(stage: string): string {
  return `CloudFlow/${stage}`;
}
