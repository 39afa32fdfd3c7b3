/**
 * Everything that a program of the platform may log: the code and the sentence of each event, and the
 * fields that may stand beside them. What is not here cannot be logged: a code does not compile, and a
 * field that comes past the compiler is left out by the writer.
 *
 * Codes are append-only: alarms, saved queries and runbooks name them.
 */
export const LOG_EVENTS = {
  // The API
  REQUEST_SERVED: 'a request was answered',
  REQUEST_FAILED: 'a request failed',
  REQUEST_UNREADABLE: 'what came could not be read as a request of HTTP/1.1, and was refused',
  RESPONSE_NOT_WRITTEN: 'a response could not be written',
  AUDIT_NOT_TOLD: 'the audit trail could not be told of a call',
  AUDIT_NOT_SEALED: 'what the audit trail was told could not be sealed; it waits',

  // Programs
  INVOCATION_FAILED: 'a function threw, and answered with what it threw',
  CONSOLE_USED: 'something spoke to the console, past the log; what it said is not told',
  PROCESS_FAILED: 'an error that nobody caught ended the process',

  // Executions, on either runtime
  EXECUTION_ENDED: 'an execution has ended',
  EXECUTION_UNREADABLE: 'an execution cannot be read',

  // The engine
  ENGINE_STARTED: 'the engine has started',
  ENGINE_DRAINING: 'the engine takes nothing new and lets calls under way end',
  ENGINE_ENDED: 'the engine has ended',
  ENGINE_ENDED_BADLY: 'the engine did not end cleanly',
  ENGINE_BEGAN_ANEW: 'the lease was lost: all that was here is forgotten',
  ENGINE_LOOP_FAILED: 'a loop of the engine failed and is repeated',
  ENGINE_PROCESS_ENDED:
    'an engine of the local stack ended; it is started again, unless it does so at once',
  ENGINE_PROCESS_UNREACHED: 'an engine of the local stack could not be told something',
  EXECUTIONS_TAKEN_OVER: 'executions of processes that are gone were taken over',
  EXECUTIONS_TAKEN_AGAIN: 'executions taken again after a lost answer',
  EXECUTION_NOT_TAKEN_UP: 'an execution cannot be taken up',
  SIGNAL_UNREADABLE: 'a signal of an execution cannot be read here; it waits for who can',
  EXECUTION_NOT_CLAIMED: 'an execution could not be claimed',
  EXECUTION_NOT_GIVEN_BACK: 'an execution could not be given back',
  EXECUTION_UNDECIDABLE: 'an execution cannot be decided and is laid aside',
  EXECUTION_NOT_LAID_ASIDE: 'an execution could not be laid aside',
  EXECUTION_NOT_RELEASED: 'an execution could not be released',
  EXECUTION_NOT_RELOADED: 'an execution cannot be read again yet',
  TRANSITION_UNCONFIRMED: 'a transition was not written, or its answer was lost',
  SEQUENCE_TAKEN: 'a sequence number was taken; the execution is read again',
  COMMAND_NOT_CARRIED_OUT: 'a command cannot be carried out yet',
  APPROVAL_NOT_CLOSED: 'an approval could not be closed',

  // Signing in elsewhere
  IDENTITY_PROVIDER_AWAY: 'an identity provider of a tenant does not answer as it should',

  // Step Functions
  BULK_CHANGE_FAILED: 'a bulk operation could not change an execution; the next one goes on',
  BULK_TURN_FAILED: 'a batch of a bulk operation failed; it is done again',
  STARTS_NOT_LET_IN: 'executions that wait to be let in could not be; they wait',
  MACHINE_NOT_STARTED: 'a state machine did not start',
  MACHINE_WAITS_FOR_QUOTA: 'a state machine waits for its quota',
  MACHINE_FELL_BACK: 'an execution runs on the engine, for a quota of Step Functions is used up',
  MACHINE_ENDED_UNREPORTED: 'a state machine ended without its report',
  MACHINE_STUMBLED: 'a state machine of the local interpreter stumbled',
  SIGNAL_NOT_DELIVERED: 'a signal was not delivered to its state machine',
  END_NOT_SETTLED: 'the end of a state machine was not settled',
  DRIVER_LOOK_FAILED: 'looking for work of Step Functions failed',
  DRIVER_RECONCILE_FAILED: 'comparing what runs with what has ended failed',
  NUDGE_NOT_SENT: 'the driver of Step Functions was not woken; its schedule looks instead',
  REPLIES_NOT_READ: 'what engines answer cannot be read; who asked does it by itself',
  QUESTION_NOT_ASKED: 'an engine could not be asked; who wanted to does it by itself',
  ENGINE_NOT_HEARD:
    'no engine answered in time; who asked did it by itself, under the same command',
  COMMAND_NOT_OBEYED: 'an engine could not do what it was asked; who asked does it by itself',
  COMMAND_NOT_SENT: 'an engine was not woken; it looks several times a second',
  TASK_FAILED_OUTSIDE: 'the platform failed a task of a machine, which takes it for a failed step',
  TASK_NOT_RUN: 'a task of a machine could not be run and is repeated',
  MACHINES_COLLECTED: 'machines that nobody starts were deleted',

  // The database and its upkeep
  READERS_AWAY: 'readers of the database do not answer; the writer answers what they would',
  CACHE_LOST: 'there is no connection to the cache; programs do without it',
  CACHES_WARMED: 'what is started most was written into the cache',
  DATABASE_SESSION_LOST: 'a session with the database was lost',
  TARGET_SESSION_LOST: 'a session with a database of a tenant was lost',
  TARGET_STATEMENT_NOT_ENDED:
    'a statement of a tenant could not be ended from outside; its connection is cut',
  MIGRATED: 'the schema is current',
  PARTITIONS_MADE: 'partitions were made',
  PARTITIONS_NOT_MADE: 'partitions could not be made',
  TENANT_MADE: 'a tenant and its first owner were made, or found',
  PLATFORM_KEY_MADE:
    'the next key of a secret of the platform was made; it is used from a later day on',
  PLATFORM_KEYS_DROPPED: 'keys of a secret of the platform that nothing needs any more are gone',
  PLATFORM_KEYS_KEPT: 'keys of the platform could not be read anew; those that are known go on',
  SIGNING_KEY_MADE: 'the next key that signs tokens was made',
  SIGNING_KEYS_NOT_ROTATED: 'keys that sign tokens could not be rotated; the newest goes on',
  OUTBOX_DAYS_KEPT: 'days of the outbox are older than it is kept, and were not relayed: they stay',
  UPKEEP_DONE: 'partitions are made, rows that expired are gone',
  REGION_UNANSWERED: 'the API of the region that serves gave no answer to the one that waits',
  UPKEEP_FAILED: 'what has expired could not be deleted',
  SECRETS_COLLECTED: 'secrets that no connection names were deleted',
  SECRETS_OLD: 'tenants were told of secrets that they have not changed for long',

  // Events
  EVENT_LOG_AWAY: 'the event log does not answer; it is tried again',
  EVENTS_NOT_HANDLED: 'messages could not be handled yet and come again',
  EVENT_GIVEN_UP: 'a message that nobody could use was laid aside',
  EVENT_NOT_RELAYED: 'a message is larger than the event log takes and was laid aside',
  TOPICS_RECONCILED: 'topics were made, or changed to what they must be',

  // Recovery
  STORE_WHOLE: 'rows of executions are what their logs say',
  STORE_VIOLATED: 'rows of executions are not what their logs say',

  // The local platform
  PART_NOT_STOPPED: 'a part did not stop in order',
} as const;

export type LogEvent = keyof typeof LOG_EVENTS;

/**
 * What a value may be. `id`: hexadecimal digits and dashes, as ids of ours are. `correlation`: what
 * callers send for this purpose, in its fixed alphabet. `word`: of a vocabulary of ours (names of
 * programs, operations, codes). `error`: anything caught, of which only what holds no data is kept.
 */
export type LogFieldKind = 'id' | 'correlation' | 'word' | 'words' | 'number' | 'error';

/**
 * Nothing here is named or written by tenants but `correlation_id`, which callers choose in order to
 * find their calls again: no names of workflows, steps, connections or secrets, no hosts, no addresses.
 */
export const LOG_FIELDS = {
  program: 'word',
  part: 'word',
  tenant: 'id',
  execution_id: 'id',
  correlation_id: 'correlation',
  request_id: 'id',
  trace_id: 'id',
  operation: 'word',
  method: 'word',
  status: 'number',
  code: 'word',
  duration_ms: 'number',
  runtime: 'word',
  outcome: 'word',
  kind: 'word',
  reason: 'word',
  signal: 'word',
  owner: 'id',
  pool: 'word',
  count: 'number',
  failures: 'number',
  active: 'number',
  calls_running: 'number',
  calls_waiting: 'number',
  kept: 'number',
  applied: 'words',
  group: 'word',
  topic: 'word',
  error: 'error',
} as const satisfies Record<string, LogFieldKind>;

interface Values {
  readonly id: string | null;
  readonly correlation: string | null;
  readonly word: string | null;
  readonly words: readonly string[];
  readonly number: number;
  readonly error: unknown;
}

export type LogFields = {
  readonly [F in keyof typeof LOG_FIELDS]?: Values[(typeof LOG_FIELDS)[F]];
};
