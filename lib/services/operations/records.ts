/**
 * The logs of the platform's own executions, one document each, where nothing but a bucket is needed:
 * they must be kept while the database is what is being recovered.
 *
 *  R1 a document is written over the version that was read, so that every event follows from all
 *     events before it; whoever comes second decides again.
 *  R2 the program is kept with the log: an execution goes on as it began, whatever is deployed meanwhile.
 *  R3 events leave no messages: the end of a machine is told by Step Functions itself.
 */
import { LRUCache } from 'lru-cache';
import type { ExecutionOrigin } from '#core/asl/payload.ts';
import { CloudFlowError } from '#core/errors.ts';
import type { ExecutionEvent, RecordedEvent } from '#core/execution/events.ts';
import { findPlace, indexOf } from '#core/execution/program-index.ts';
import { isJsonObject } from '#core/json.ts';
import type { Program } from '#core/plan/program.ts';
import type { Clock } from '#ports/clock.ts';
import type {
  ExecutionAccess,
  ExecutionHeader,
  ExecutionRecorder,
  LoadedExecution,
} from '#ports/execution-store.ts';
import type { Programs } from '#ports/programs.ts';
import type { Documents } from '#ports/recovery.ts';
import type { TaskTokens } from '#ports/task-tokens.ts';

/** Stands where executions have a tenant. */
export const PLATFORM = 'platform';

export interface OperationRecords {
  /** Opens the log of an execution, unless it is there. */
  begin(executionId: string, origin: ExecutionOrigin): Promise<void>;
  readonly loadExecution: ExecutionAccess['loadExecution'];
  readonly recorder: ExecutionRecorder;
  readonly programs: Programs;
  readonly tokens: TaskTokens;
  /** Whether a person has answered an approval of this execution with yes. */
  isApproved(executionId: string): Promise<boolean>;
}

interface Log {
  readonly form: 1;
  readonly header: ExecutionHeader;
  readonly program: Program;
  readonly events: readonly RecordedEvent[];
}

interface Stored {
  readonly log: Log;
  readonly version: string;
}

const MAX_KNOWN = 20;
/** More than Step Functions runs side by side for one of our machines. */
const TRIES = 40;
const NAME = /^[A-Za-z0-9_-]{1,80}$/;

export function createOperationRecords(deps: {
  readonly documents: Documents;
  readonly clock: Clock;
  /** What is deployed now, by id of the workflow; null: there is no such workflow. */
  readonly programOf: (workflowId: string) => Program | null;
}): OperationRecords {
  const { documents } = deps;
  /** What this process read or wrote last: a log that grew elsewhere is found out by its version. */
  const known = new LRUCache<string, Stored>({ max: MAX_KNOWN });

  async function read(executionId: string): Promise<Stored | null> {
    const found = await documents.read(logKey(executionId));
    if (found === null) return null;
    // One cast: nobody else writes under this key, and the form says who wrote it.
    const log = JSON.parse(found.text) as Log;
    if (log.form !== 1) throw new TypeError(`the log of ${executionId} has a form of its own`);
    const stored = { log, version: found.version };
    known.set(executionId, stored);
    return stored;
  }

  return {
    async begin(executionId, origin) {
      if (known.has(executionId) || (await read(executionId)) !== null) return;
      const program = deps.programOf(origin.workflow);
      if (program === null || program.hash !== origin.program) {
        throw new CloudFlowError(
          'VERSION_INCOMPATIBLE',
          `${origin.workflow} was deployed anew before ${executionId} did anything; start it again`,
        );
      }
      const at = Date.parse(origin.started_at);
      const created: ExecutionEvent = {
        type: 'execution_created',
        workflow_id: program.workflowId,
        version: program.version,
        program_hash: program.hash,
        runtime: 'step_functions',
        input: origin.input,
        root_id: executionId,
        parent: null,
        depth: 0,
        retry_of: null,
        carried: null,
      };
      const log: Log = {
        form: 1,
        header: {
          tenant: PLATFORM,
          mode: 'live',
          id: executionId,
          rootId: executionId,
          parent: null,
          depth: 0,
          workflowId: program.workflowId,
          version: program.version,
          programHash: program.hash,
          runtime: 'step_functions',
          labels: {},
          correlationId: null,
          createdAt: at,
        },
        program,
        events: [{ seq: 1, at, event: created }],
      };
      // When another task was first, its log is the same.
      const version = await documents.write(logKey(executionId), textOf(log), null);
      if (version !== null) known.set(executionId, { log, version });
    },

    async loadExecution(_tenant, executionId): Promise<LoadedExecution | null> {
      const found = await read(executionId);
      if (found === null) return null;
      const { header, events } = found.log;
      return { header, epoch: 0, checkpoint: null, tail: events, signals: [], signalCount: 0 };
    },

    recorder: {
      async record(_tenant, executionId, _now, after, decide) {
        for (let tries = 0; tries < TRIES; tries++) {
          const kept = known.get(executionId);
          const found = kept ?? (await read(executionId));
          if (found === null) return null;
          const { log, version } = found;
          const status = 'RUNNING' as const;
          const tail = log.events.filter(({ seq }) => seq > after);
          const { at, events } = decide({ header: log.header, status, tail });
          const added = events.map(
            (event, i): RecordedEvent => ({ seq: log.events.length + i + 1, at, event }),
          );
          if (added.length === 0 && kept === undefined) return added;
          if (added.length === 0) {
            // No write will tell whether what was kept is still what is there.
            known.delete(executionId);
            continue;
          }
          const next: Log = { ...log, events: [...log.events, ...added] };
          // Whatever becomes of it, what is there now is not what was read.
          known.delete(executionId);
          const written = await documents.write(logKey(executionId), textOf(next), version);
          if (written === null) continue;
          known.set(executionId, { log: next, version: written });
          return added;
        }
        throw new Error(`the log of ${executionId} changed ${TRIES} times while it was written`);
      },
    },

    programs: {
      find(_tenant, hash) {
        const found = [...known.values()].find(({ log }) => log.program.hash === hash);
        return Promise.resolve(found?.log.program ?? null);
      },
    },

    tokens: {
      async put(_tenant, executionId, key, token) {
        for (let tries = 0; tries < TRIES; tries++) {
          const before = await documents.read(tokenKey(executionId, key));
          const text = JSON.stringify({ token });
          const over = before?.version ?? null;
          if ((await documents.write(tokenKey(executionId, key), text, over)) !== null) return;
        }
        throw new Error(`the token of ${executionId} changed ${TRIES} times while it was written`);
      },
      async find(_tenant, executionId, key) {
        const found = await documents.read(tokenKey(executionId, key));
        return found === null ? null : (JSON.parse(found.text) as { token: string }).token;
      },
      // They are void once their task has ended, and go with the documents of their day.
      forget: () => Promise.resolve(),
    },

    async isApproved(executionId) {
      const found = await read(executionId);
      if (found === null) return false;
      const index = indexOf(found.log.program);
      return found.log.events.some(
        ({ event }) =>
          event.type === 'step_succeeded' &&
          findPlace(index, event.step)?.info.step.type === 'approval' &&
          isJsonObject(event.output) &&
          event.output['decision'] === 'approved',
      );
    },
  };
}

function logKey(executionId: string): string {
  if (!NAME.test(executionId)) throw new TypeError('that is no name of an execution');
  return `executions/${executionId}.json`;
}

function tokenKey(executionId: string, key: string): string {
  if (!NAME.test(executionId)) throw new TypeError('that is no name of an execution');
  return `tokens/${executionId}/${encodeURIComponent(key)}.json`;
}

function textOf(log: Log): string {
  return JSON.stringify(log);
}
