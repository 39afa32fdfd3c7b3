/** What must hold of events, readers, the audit trail and the walls between tenants. */
import { createHash } from 'node:crypto';
import type { LedgerLine } from '../records.ts';
import type { PlatformEvidence, StoredExecution, TopicRecord } from './evidence.ts';
import { canonical } from './json.ts';
import type { Tally } from './tally.ts';

const ENDED: { readonly [status: string]: string } = {
  COMPLETED: 'workflow.execution.completed',
  FAILED: 'workflow.execution.failed',
  CANCELLED: 'workflow.execution.cancelled',
};
const CREATED = 'workflow.execution.created';
/** Of a UUID, with which keys of topics end. */
const ID_LENGTH = 36;

/** Of an execution, what other checks need once all have been read. */
export type Ended = Pick<StoredExecution, 'tenant' | 'status' | 'workflow' | 'output'>;

export function checkPlatform(
  evidence: PlatformEvidence,
  executions: ReadonlyMap<string, Ended>,
  tally: Tally,
): void {
  checkOutbox(evidence, executions, tally);
  if (evidence.records !== null) checkTopic(evidence, evidence.records, tally);
  checkEffects(evidence, executions, tally);
  checkDeadLetters(evidence, tally);
  checkTenants(evidence, executions, tally);
  checkAudit(evidence, tally);
  checkAnswers(evidence, executions, tally);
  for (const [table, rows] of Object.entries(evidence.leftovers)) {
    tally.looked('I23');
    if (rows > 0)
      tally.wrong('I23', `${rows} rows of ${table} are left of executions that have ended`);
  }
}

/** I17, the first half: each execution told once that it began to be, and once how it ended. */
function checkOutbox(
  { outbox }: PlatformEvidence,
  executions: ReadonlyMap<string, Ended>,
  tally: Tally,
): void {
  const told = Map.groupBy(outbox, ({ execution }) => execution);
  for (const [id, { status, workflow }] of executions) {
    const types = (told.get(id) ?? []).map(({ type }) => type);
    tally.looked('I17');
    for (const type of [CREATED, ENDED[status]]) {
      if (type === undefined) continue;
      const times = types.filter((each) => each === type).length;
      if (times !== 1)
        tally.wrong('I17', `${workflow} ${id}: ${type} was to be told once, not ${times} times`);
    }
  }
  for (const { execution, type } of outbox) {
    if (!executions.has(execution))
      tally.wrong('I17', `${type} of ${execution}, which is not there`);
  }
}

/** I17, the other half: what was to be told is on the topic, and first in the order of its key. */
function checkTopic(
  { outbox }: PlatformEvidence,
  records: readonly TopicRecord[],
  tally: Tally,
): void {
  const first = new Map<string, TopicRecord>();
  const inOrder = [...records].sort((a, b) => a.partition - b.partition || a.offset - b.offset);
  for (const record of inOrder) {
    if (record.eventId !== null && !first.has(record.eventId)) first.set(record.eventId, record);
  }
  const lastOf = new Map<string, TopicRecord>();
  for (const row of outbox) {
    tally.looked('I17');
    const record = first.get(row.eventId);
    if (record === undefined) {
      tally.wrong('I17', `${row.type} of ${row.execution} is not on its topic`);
      continue;
    }
    const before = lastOf.get(row.execution);
    if (before !== undefined && before.partition !== record.partition) {
      tally.wrong('I17', `${row.execution}: its events are in two partitions`);
    } else if (before !== undefined && before.offset > record.offset) {
      tally.wrong('I17', `${row.execution}: ${row.type} came before what it follows`);
    }
    lastOf.set(row.execution, record);
  }
}

/** I18: however often events came, what readers made of them is what there is. */
function checkEffects(
  { usage, counted, audit }: PlatformEvidence,
  executions: ReadonlyMap<string, Ended>,
  tally: Tally,
): void {
  const own: { [what: string]: number } = { created: 0, completed: 0, failed: 0, cancelled: 0 };
  for (const [id, { status, workflow }] of executions) {
    tally.looked('I18');
    own['created'] = (own['created'] ?? 0) + 1;
    const what = status.toLowerCase();
    own[what] = (own[what] ?? 0) + 1;
    const records = usage.get(id) ?? 0;
    const wanted = status in ENDED ? 1 : 0;
    if (records !== wanted)
      tally.wrong('I18', `${workflow} ${id}: ${records} records of use, not ${wanted}`);
  }
  for (const what of ['created', 'completed', 'failed', 'cancelled']) {
    tally.looked('I18');
    if (counted[what] !== own[what]) {
      tally.wrong(
        'I18',
        `${counted[what]} executions were counted as ${what}, there are ${own[what]}`,
      );
    }
  }
  const told = new Map<string, number>();
  for (const { content } of audit) {
    const { operation, target, actor } = JSON.parse(content) as { [name: string]: string };
    if (actor !== 'platform' || operation !== 'executionFailed') continue;
    told.set(String(target), (told.get(String(target)) ?? 0) + 1);
  }
  for (const [id, { status, workflow }] of executions) {
    if (status !== 'FAILED') continue;
    tally.looked('I18');
    const times = told.get(`execution:${id}`) ?? 0;
    if (times !== 1)
      tally.wrong('I18', `${workflow} ${id}: its failure is in the trail ${times} times`);
  }
}

/** I20: what the harness spoilt is laid aside by each reader once, and nothing else is. */
function checkDeadLetters(
  { deadLetters, poisoned, readers }: PlatformEvidence,
  tally: Tally,
): void {
  const spoilt = new Set(poisoned);
  const letters = new Map(
    [...Map.groupBy(deadLetters, ({ group, key }) => `${group} ${key}`)].map(([of, own]) => [
      of,
      own.length,
    ]),
  );
  for (const key of poisoned) {
    for (const reader of readers) {
      tally.looked('I20');
      const times = letters.get(`${reader} ${key}`) ?? 0;
      if (times !== 1) tally.wrong('I20', `${key} was laid aside ${times} times by ${reader}`);
    }
  }
  for (const { key, group, status, errorName } of deadLetters) {
    if (errorName === '') tally.wrong('I20', `${key} was laid aside without a cause`);
    if (!spoilt.has(key) && status === 'open') {
      tally.wrong('I20', `${group} laid ${key} aside, which could be used`);
    }
  }
}

/** I21. */
function checkTenants(
  evidence: PlatformEvidence,
  executions: ReadonlyMap<string, Ended>,
  tally: Tally,
): void {
  const { tenants, calls, records, strayCanaries, loggedCanaries } = evidence;
  const canaryOf = new Map(tenants.map(({ id, canary }) => [id, canary]));
  tally.looked('I21', evidence.canariesLookedAt);
  for (const text of strayCanaries) tally.wrong('I21', text);
  for (const text of loggedCanaries) tally.wrong('I21', `in the log of the platform: ${text}`);
  for (const { execution, canary, step } of calls) {
    const tenant = executions.get(execution)?.tenant;
    if (canary === null || tenant === undefined) continue;
    tally.looked('I21');
    if (canaryOf.get(tenant) !== canary)
      tally.wrong('I21', `${execution} ${step} carried ${canary}`);
  }
  for (const { key, tenant, text } of records ?? []) {
    const owner = executions.get(key.slice(-ID_LENGTH))?.tenant;
    if (owner === undefined) continue;
    tally.looked('I21');
    if (tenant !== owner || !text.includes(owner)) {
      tally.wrong('I21', `a record of ${key} says it is of ${tenant}, and it is of ${owner}`);
    }
  }
}

/** I22: every link of every chain, and every request that the ledger knows is in one. */
function checkAudit({ audit, ledger }: PlatformEvidence, tally: Tally): void {
  const known = new Set<string>();
  for (const [tenant, events] of Map.groupBy(audit, (row) => row.tenant)) {
    let [seq, hash] = [0, '0'.repeat(64)];
    for (const event of [...events].sort((a, b) => a.seq - b.seq)) {
      tally.looked('I22');
      const own = createHash('sha256').update(`${hash}${event.content}`).digest('hex');
      const content = JSON.parse(event.content) as { [name: string]: unknown };
      if (
        event.seq !== seq + 1 ||
        event.hash !== own ||
        content['seq'] !== event.seq ||
        content['tenant'] !== tenant
      ) {
        tally.wrong('I22', `the chain of ${tenant} breaks at ${event.seq}`);
        break;
      }
      [seq, hash] = [event.seq, event.hash];
      known.add(`${tenant} ${content['request_id']}`);
    }
  }
  for (const line of ledger as readonly LedgerLine[]) {
    if (line.kind !== 'started' && line.kind !== 'refused') continue;
    if (line.requestId === null) continue;
    tally.looked('I22');
    if (!known.has(`${line.tenant} ${line.requestId}`)) {
      tally.wrong('I22', `request ${line.requestId} (${line.kind}) is not in the trail`);
    }
  }
}

/** I7: what the API answers is what the store holds. */
function checkAnswers(
  { answers }: PlatformEvidence,
  executions: ReadonlyMap<string, Ended>,
  tally: Tally,
): void {
  for (const [id, said] of answers) {
    const stored = executions.get(id);
    if (said === null || stored === undefined) continue;
    tally.looked('I7');
    if (canonical([said.status, said.output]) !== canonical([stored.status, stored.output])) {
      tally.wrong(
        'I7',
        `${stored.workflow} ${id}: the API says ${said.status}, the store ${stored.status}`,
      );
    }
  }
}
