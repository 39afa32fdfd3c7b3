/**
 * The execution store in this process, behind the same ports as PostgreSQL's: for tests that run
 * thousands of executions, or that stop a runtime between any two writes.
 *
 *  M1 a write is done whole, at once, before its promise resolves; what is kept is text, so nobody
 *     shares an object with the store;
 *  M2 sequence numbers have no gaps and are unique; an append names an epoch, and one that is not the
 *     current one is fenced;
 *  M3 a signal is counted: a release that has not seen the last one is refused.
 */

import type { Signal } from '#core/execution/commands.ts';
import {
  type ExecutionEvent,
  type ExecutionStatus,
  isFinal,
  type RecordedEvent,
} from '#core/execution/events.ts';
import type { ExecutionProjection, StepProjection } from '#core/execution/project.ts';
import { derivedId } from '#core/ids.ts';
import { canonicalJson, type Json } from '#core/json.ts';
import type {
  AcceptRequest,
  Adopter,
  AppendRequest,
  ApprovalRecord,
  CallbackRecord,
  ChildSignal,
  ExecutionAccess,
  ExecutionHeader,
  ExecutionOwnership,
  ExecutionRecord,
  ExecutionRecorder,
  LoadedExecution,
  OutboxMessage,
  ParentSignal,
  SignalAnswer,
  StoredSignal,
} from '#ports/execution-store.ts';
import type { PendingSignal, StepFunctionsWork } from '#ports/step-functions-work.ts';
import type { TaskTokens } from '#ports/task-tokens.ts';

export interface MemoryExecutionStore {
  readonly access: ExecutionAccess;
  readonly ownership: ExecutionOwnership;
  readonly recorder: ExecutionRecorder;
  readonly work: StepFunctionsWork;
  readonly tokens: TaskTokens;
  /** Everything that was to leave. */
  readonly outbox: readonly OutboxMessage[];
  /** Who runs executions now; null: nobody, they wait to be claimed. */
  adopter: Adopter | null;
  /** Ends a process's lease without its doing: it was killed. */
  killed(owner: string): void;
  ids(): readonly string[];
  events(executionId: string): readonly RecordedEvent[];
}

interface Row {
  header: ExecutionHeader;
  readonly input: string;
  readonly retryOf: string | null;
  status: ExecutionStatus;
  projection: ExecutionProjection | null;
  owner: string | null;
  epoch: number;
  wakeAt: number | null;
  readonly events: { readonly seq: number; readonly at: number; readonly text: string }[];
  checkpoint: { readonly seq: number; readonly text: string } | null;
  readonly signals: Map<string, string>;
  signalCount: number;
  readonly steps: Map<string, StepProjection>;
}

interface CallbackRow extends CallbackRecord {
  finished: boolean;
}

export function createMemoryExecutionStore(): MemoryExecutionStore {
  const rows = new Map<string, Row>();
  const leases = new Map<string, 'held' | 'lost'>();
  const approvals = new Map<string, ApprovalRecord>();
  const callbacks = new Map<string, CallbackRow>();
  const tokens = new Map<string, string>();
  const keys = new Map<string, { readonly executionId: string; readonly fingerprint: string }>();
  const outbox: OutboxMessage[] = [];
  let signalIds = 0;

  const rowOf = (tenant: string, id: string): Row | null => {
    const row = rows.get(id);
    return row === undefined || row.header.tenant !== tenant ? null : row;
  };
  const open = (row: Row): boolean => !isFinal(row.status);

  function load(row: Row, whole = false): LoadedExecution {
    const checkpoint = whole ? null : row.checkpoint;
    return {
      header: row.header,
      epoch: row.epoch,
      checkpoint:
        checkpoint === null
          ? null
          : { seq: checkpoint.seq, state: JSON.parse(checkpoint.text) as Json },
      tail: decoded(row, checkpoint?.seq ?? 0),
      signals: [...row.signals].map(([id, text]) => ({
        id,
        executionId: row.header.id,
        signal: JSON.parse(text) as Signal,
      })),
      signalCount: row.signalCount,
    };
  }

  function take(row: Row, owner: string): LoadedExecution {
    row.owner = owner;
    row.epoch += 1;
    row.wakeAt = null;
    return load(row);
  }

  function putSignal(row: Row, signal: Signal, now: number): void {
    row.signalCount += 1;
    signalIds += 1;
    row.signals.set(String(signalIds), JSON.stringify(signal));
    if (row.owner === null && row.header.runtime === 'engine') {
      row.wakeAt = Math.min(row.wakeAt ?? now, now);
    }
  }

  function signal(tenant: string, id: string, given: Signal, now: number): SignalAnswer {
    const row = rowOf(tenant, id);
    if (row === null) return { kind: 'not_found' };
    if (!open(row)) return { kind: 'finished', status: row.status };
    putSignal(row, given, now);
    return { kind: 'stored' };
  }

  /** What every transition writes, whoever decided it. */
  function write(
    row: Row,
    transition: {
      readonly events: readonly RecordedEvent[];
      readonly steps: readonly StepProjection[];
      readonly execution: ExecutionProjection | null;
      readonly consumedSignals: readonly string[];
      readonly outbox: readonly OutboxMessage[];
      readonly parentSignal: ParentSignal | null;
      readonly childSignals: readonly ChildSignal[];
    },
    now: number,
  ): void {
    for (const { seq, at, event } of transition.events) {
      row.events.push({ seq, at, text: JSON.stringify(event) });
    }
    for (const step of transition.steps) row.steps.set(step.step, step);
    for (const id of transition.consumedSignals) row.signals.delete(id);
    outbox.push(...transition.outbox);
    const { execution, parentSignal, childSignals } = transition;
    if (execution !== null) {
      row.projection = execution;
      row.status = execution.status;
      row.wakeAt = null;
      if (isFinal(execution.status)) {
        row.owner = null;
        row.signals.clear();
        row.checkpoint = null;
      }
    }
    for (const { step, signal: given } of childSignals) {
      for (const child of rows.values()) {
        const { parent } = child.header;
        if (parent?.executionId !== row.header.id || parent.step !== step) continue;
        if (open(child)) putSignal(child, given, now);
      }
    }
    if (parentSignal === null) return;
    const parent = rowOf(row.header.tenant, parentSignal.executionId);
    if (parent !== null && open(parent)) putSignal(parent, parentSignal.signal, now);
  }

  function create(request: AcceptRequest, owner: string | null): Row {
    const { tenant, mode, id, rootId, parent, depth, workflowId, version, programHash } = request;
    const { runtime, labels, correlationId, now } = request;
    const created: ExecutionEvent = {
      type: 'execution_created',
      workflow_id: workflowId,
      version,
      program_hash: programHash,
      runtime,
      ...(request.choice === undefined ? {} : { choice: request.choice }),
      input: request.input,
      root_id: rootId,
      parent: parent === null ? null : { execution_id: parent.executionId, step: parent.step },
      depth,
      retry_of: request.retryOf,
      carried: request.carried,
    };
    return {
      header: {
        ...{ tenant, mode, id, rootId, parent, depth, workflowId, version, programHash },
        ...{ runtime, labels, correlationId, createdAt: now },
      },
      input: canonicalJson(request.input),
      retryOf: request.retryOf,
      status: 'PENDING',
      projection: null,
      owner,
      epoch: owner === null ? 0 : 1,
      wakeAt: owner === null && runtime === 'engine' ? now : null,
      events: [{ seq: 1, at: now, text: JSON.stringify(created) }],
      checkpoint: null,
      signals: new Map(),
      signalCount: 0,
      steps: new Map(),
    };
  }

  const access: ExecutionAccess = {
    async accept(request) {
      const { tenant, id, idempotency } = request;
      const key = idempotency === null ? null : `${tenant}/${idempotency.key}`;
      const before = key === null ? undefined : keys.get(key);
      if (before !== undefined) {
        const kind = before.fingerprint === idempotency?.fingerprint ? 'existing' : 'conflict';
        return { kind, executionId: before.executionId };
      }
      const known = rowOf(tenant, id);
      if (known !== null) {
        const same =
          known.input === canonicalJson(request.input) &&
          known.header.programHash === request.programHash;
        return { kind: same ? 'existing' : 'conflict', executionId: id };
      }
      const { parent } = request;
      const waiting =
        parent === null ? null : rowOf(tenant, parent.executionId)?.steps.get(parent.step);
      if (parent !== null && waiting?.status !== 'EXECUTING') {
        return { kind: 'parent_ended', executionId: id };
      }
      const { adopter } = store;
      const owner = request.runtime === 'engine' ? (adopter?.reserve(request) ?? null) : null;
      const row = create(request, owner);
      rows.set(id, row);
      if (key !== null && idempotency !== null) {
        keys.set(key, { executionId: id, fingerprint: idempotency.fingerprint });
      }
      if (owner !== null) adopter?.adopt(load(row));
      return { kind: 'accepted', executionId: id };
    },
    async signal(tenant, executionId, given, now) {
      const answer = signal(tenant, executionId, given, now);
      if (answer.kind === 'stored') store.adopter?.signalled(tenant, executionId);
      return answer;
    },
    heldStart: async () => null,
    listQuarantined: async () => ({ items: [], next: null }),
    releaseQuarantined: async () => false,
    async getExecution(tenant, executionId) {
      const row = rowOf(tenant, executionId);
      return row === null ? null : recordOf(row);
    },
    async listExecutions(tenant, filter, page) {
      const found = [...rows.values()]
        .filter(({ header }) => header.tenant === tenant)
        .filter(({ status }) => filter.statuses?.includes(status) ?? true)
        .map(recordOf);
      return { items: found.slice(0, page.limit), next: null };
    },
    async listEvents(tenant, executionId, page) {
      const row = rowOf(tenant, executionId);
      const events = row === null ? [] : decoded(row, Number(page.after ?? 0));
      const items = events.slice(0, page.limit);
      return { items, next: items.length < events.length ? String(items.at(-1)?.seq) : null };
    },
    async listSteps(tenant, executionId, page) {
      const all = [...(rowOf(tenant, executionId)?.steps.values() ?? [])]
        .filter(({ step }) => step > (page.after ?? ''))
        .sort((a, b) => (a.step < b.step ? -1 : 1));
      const items = all.slice(0, page.limit);
      return { items, next: items.length < all.length ? (items.at(-1)?.step ?? null) : null };
    },
    async loadExecution(tenant, executionId, whole = false) {
      const row = rowOf(tenant, executionId);
      return row === null ? null : load(row, whole);
    },
    async listApprovals(tenant, filter, page) {
      const items = [...approvals.values()]
        .filter((each) => rowOf(tenant, each.executionId) !== null)
        .filter((each) => (filter.executionId ?? each.executionId) === each.executionId)
        .filter((each) => (filter.status ?? each.status) === each.status);
      return { items: items.slice(0, page.limit), next: null };
    },
    async getApproval(tenant, id) {
      const found = approvals.get(id);
      return found !== undefined && rowOf(tenant, found.executionId) !== null ? found : null;
    },
    async answerApproval(tenant, id, answer) {
      const found = approvals.get(id);
      if (found === undefined) return { kind: 'not_found' };
      if (found.status !== 'pending') return { kind: 'answered', approval: found };
      const isStored =
        found.dueAt > answer.at &&
        signal(
          tenant,
          found.executionId,
          { kind: 'approval_answered', step: found.step, ...answer },
          answer.at,
        ).kind === 'stored';
      const approval: ApprovalRecord = {
        ...found,
        status: isStored ? answer.decision : 'closed',
        answeredBy: isStored ? answer.by : null,
        answeredAt: answer.at,
        comment: isStored ? answer.comment : null,
      };
      approvals.set(id, approval);
      if (isStored) store.adopter?.signalled(tenant, found.executionId);
      return { kind: isStored ? 'stored' : 'answered', approval };
    },
    async findCallback(tokenHash, now) {
      const found = callbacks.get(tokenHash);
      return found === undefined || found.expiresAt <= now
        ? null
        : { ...found, tenantPerMinute: null };
    },
    async answerCallback(tokenHash, given, now) {
      const found = callbacks.get(tokenHash);
      if (found === undefined || found.expiresAt <= now) return { kind: 'not_found' };
      if (found.finished) return { kind: 'finished' };
      const { tenant, executionId, step } = found;
      const { kind } = signal(tenant, executionId, { ...given, step }, now);
      if (kind !== 'stored' || given.kind !== 'callback_heartbeat') found.finished = true;
      if (kind === 'stored') store.adopter?.signalled(tenant, executionId);
      return { kind: kind === 'stored' ? 'stored' : 'finished' };
    },
  };

  const ownership: ExecutionOwnership = {
    // Nothing is ever paused here.
    letIn: async () => ({ count: 0, waiting: false, after: null }),
    async claim(owner, limit, now, shares = { each: limit, left: [] }) {
      const left = new Map(shares.left);
      const due = [...rows.values()].filter(
        (row) => row.owner === null && row.wakeAt !== null && row.wakeAt <= now && open(row),
      );
      const fair = due.filter(({ header: { tenant } }) => {
        const more = left.get(tenant) ?? shares.each;
        left.set(tenant, more - 1);
        return more > 0;
      });
      return fair.slice(0, limit).map((row) => take(row, owner));
    },
    async claimOne(owner, tenant, executionId) {
      const row = rowOf(tenant, executionId);
      if (row === null || row.owner !== null || !open(row)) return null;
      return row.header.runtime === 'engine' ? take(row, owner) : null;
    },
    async takeOver(owner, limit, full = []) {
      const orphaned = [...rows.values()].filter(
        (row) =>
          row.owner !== null &&
          row.owner !== owner &&
          leases.get(row.owner) === 'lost' &&
          !full.includes(row.header.tenant),
      );
      return orphaned.slice(0, limit).map((row) => take(row, owner));
    },
    async takeOwnerless(owner, limit) {
      const ownerless = [...rows.values()].filter(
        (row) => row.owner !== null && !leases.has(row.owner) && open(row),
      );
      return ownerless.slice(0, limit).map((row) => take(row, owner));
    },
    async owned(owner) {
      return [...rows.values()]
        .filter((row) => row.owner === owner && open(row))
        .map(({ header }) => ({ tenant: header.tenant, executionId: header.id }));
    },
    async claimAgain(owner, executions) {
      return executions.flatMap(({ tenant, executionId }) => {
        const row = rowOf(tenant, executionId);
        return row !== null && row.owner === owner && open(row) ? [take(row, owner)] : [];
      });
    },
    async reload(owner, tenant, executionId, epoch, whole = false) {
      const row = rowOf(tenant, executionId);
      return row !== null && row.owner === owner && row.epoch === epoch ? load(row, whole) : null;
    },
    async append(request: AppendRequest) {
      const row = rowOf(request.tenant, request.executionId);
      if (row === null || row.epoch !== request.epoch) return 'fenced';
      if (request.events.some(({ seq }, i) => seq !== row.events.length + 1 + i)) return 'conflict';
      write(row, request, request.now);
      const { checkpoint } = request;
      if (checkpoint !== null && open(row)) {
        row.checkpoint = { seq: checkpoint.seq, text: JSON.stringify(checkpoint.state) };
      }
      return 'written';
    },
    async release({ tenant, executionId, epoch, wakeAt, signalCount }) {
      const row = rowOf(tenant, executionId);
      if (row === null || row.epoch !== epoch) return 'fenced';
      if (row.signalCount !== signalCount) return 'signalled';
      row.owner = null;
      row.wakeAt = wakeAt;
      return 'released';
    },
    async pendingSignals(owner, limit) {
      const waiting: StoredSignal[] = [];
      for (const row of rows.values()) {
        if (row.owner === owner) waiting.push(...load(row).signals);
      }
      return waiting.sort((a, b) => Number(a.id) - Number(b.id)).slice(0, limit);
    },
    async heartbeat(owner) {
      if (leases.get(owner) === 'lost') return false;
      leases.set(owner, 'held');
      return true;
    },
    async resign(owner) {
      leases.set(owner, 'lost');
    },
    async requestApproval(request) {
      const { tenant: _, ...asked } = request;
      const id = derivedId(request.executionId, `approval/${request.step}`);
      if (approvals.has(id)) return;
      const unanswered = { answeredBy: null, answeredAt: null, comment: null };
      approvals.set(id, { ...asked, id, status: 'pending', ...unanswered });
    },
    async closeApproval(_tenant, executionId, step, now) {
      const id = derivedId(executionId, `approval/${step}`);
      const found = approvals.get(id);
      if (found?.status !== 'pending') return;
      approvals.set(id, { ...found, status: 'closed', answeredAt: now });
    },
    async openCallback(tokenHash, callback) {
      if (!callbacks.has(tokenHash)) callbacks.set(tokenHash, { ...callback, finished: false });
    },
  };

  const recorder: ExecutionRecorder = {
    async record(tenant, executionId, now, after, decide) {
      const row = rowOf(tenant, executionId);
      if (row === null) return null;
      const tail = decoded(row, after);
      const recording = decide({ header: row.header, status: row.status, tail });
      const added = recording.events.map((event, i) => ({
        seq: row.events.length + 1 + i,
        at: recording.at,
        event,
      }));
      if (added.length > 0) {
        write(row, { ...recording, events: added, consumedSignals: [] }, now);
      }
      return added;
    },
  };

  const onMachines = (row: Row): boolean =>
    row.header.runtime === 'step_functions' && row.owner === null && open(row);
  const work: StepFunctionsWork = {
    letIn: async () => ({ count: 0, waiting: false, after: null }),
    async open(status, after, limit) {
      return [...rows.values()]
        .filter((row) => onMachines(row) && row.status === status)
        .map(({ header }) => ({ tenant: header.tenant, executionId: header.id }))
        .filter(({ executionId }) => executionId > (after ?? ''))
        .sort((a, b) => (a.executionId < b.executionId ? -1 : 1))
        .slice(0, limit);
    },
    async find(executionId) {
      const row = [...rows.values()].find(({ header }) => header.id === executionId);
      if (row?.header.runtime !== 'step_functions') return null;
      return { tenant: row.header.tenant, open: onMachines(row) && row.wakeAt === null };
    },
    async signals(limit) {
      const waiting: PendingSignal[] = [];
      for (const row of rows.values()) {
        if (!onMachines(row) || row.wakeAt !== null) continue;
        const { tenant } = row.header;
        for (const each of load(row).signals) waiting.push({ ...each, tenant });
      }
      return waiting.sort((a, b) => Number(a.id) - Number(b.id)).slice(0, limit);
    },
    async consumed({ tenant, executionId, id }) {
      rowOf(tenant, executionId)?.signals.delete(id);
    },
    async handToEngine(tenant, executionId, now) {
      const row = rowOf(tenant, executionId);
      if (row === null || !onMachines(row)) return false;
      row.wakeAt = now;
      return true;
    },
    async fallBack(tenant, executionId, now) {
      const row = rowOf(tenant, executionId);
      if (row === null || !onMachines(row) || row.status !== 'PENDING') return false;
      row.header = { ...row.header, runtime: 'engine' };
      row.wakeAt = now;
      return true;
    },
  };

  const taskTokens: TaskTokens = {
    async put(tenant, executionId, key, token) {
      tokens.set(`${tenant}/${executionId}/${key}`, token);
    },
    async find(tenant, executionId, key) {
      return tokens.get(`${tenant}/${executionId}/${key}`) ?? null;
    },
    async forget(tenant, executionId) {
      for (const key of [...tokens.keys()]) {
        if (key.startsWith(`${tenant}/${executionId}/`)) tokens.delete(key);
      }
    },
  };

  const store: MemoryExecutionStore = {
    ...{ access, ownership, recorder, work, tokens: taskTokens, outbox, adopter: null },
    killed: (owner) => void leases.set(owner, 'lost'),
    ids: () => [...rows.keys()],
    events(executionId) {
      const row = rows.get(executionId);
      return row === undefined ? [] : decoded(row, 0);
    },
  };
  return store;
}

function decoded(row: Row, after: number): RecordedEvent[] {
  return row.events
    .slice(after)
    .map(({ seq, at, text }) => ({ seq, at, event: JSON.parse(text) as ExecutionEvent }));
}

function recordOf(row: Row): ExecutionRecord {
  const { header, projection } = row;
  return {
    ...header,
    retryOf: row.retryOf,
    status: row.status,
    phase: projection?.phase ?? null,
    priority: 0,
    quarantine: null,
    owner: row.owner,
    epoch: row.epoch,
    wakeAt: row.wakeAt,
    startedAt: projection?.startedAt ?? null,
    endedAt: isFinal(row.status) ? (projection?.endedAt ?? null) : null,
    input: JSON.parse(row.input) as Json,
    output: projection?.output ?? null,
    error: projection?.error ?? null,
    compensation: projection?.compensation ?? null,
  };
}
