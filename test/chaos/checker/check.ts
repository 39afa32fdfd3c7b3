/** All checks over one run: a verdict for each invariant, with what it looked at. */
import type { Call } from '../records.ts';
import { checkCalls, createLedgerChecks } from './call-checks.ts';
import type { LivenessEvidence, PlatformEvidence, StoredExecution } from './evidence.ts';
import { checkExecution } from './execution-checks.ts';
import { checkLiveness } from './liveness-checks.ts';
import { checkPlatform, type Ended } from './platform-checks.ts';
import { createTally, type Invariant, type Verdict } from './tally.ts';

export interface Checked {
  readonly verdicts: readonly Verdict[];
  /** Logs of the first executions of which something is wrong. */
  readonly logs: readonly string[];
}

const MOST_LOGS = 5;

export async function check(
  evidence: PlatformEvidence,
  liveness: LivenessEvidence,
  executions: AsyncIterable<StoredExecution>,
  underWayMs: number,
  /** Of runs on Step Functions, where no epoch tells of interruptions: how many there were. */
  interruptions: number,
): Promise<Checked> {
  const tally = createTally();
  const ledger = createLedgerChecks(evidence, tally);
  const calls = Map.groupBy(evidence.calls, ({ execution }) => execution);
  const known = new Map<string, Ended>();
  const logs: string[] = [];
  const definitions = new Map(
    evidence.definitions.map((each) => [`${each.workflow_id} ${each.version}`, each]),
  );
  for await (const execution of executions) {
    const { id, tenant, status, workflow, version, output } = execution;
    const before = tally.wrongs;
    const definition = definitions.get(`${workflow} ${version}`);
    const folded = checkExecution(execution, definition, tally);
    ledger.one(execution);
    ledger.version(execution);
    checkCalls(
      execution,
      folded,
      {
        calls: calls.get(id) ?? [],
        effects: evidence.effects.get(id) ?? 0,
        changes: execution.runtime === 'engine' ? execution.epoch : interruptions,
        underWayMs,
      },
      tally,
    );
    if (tally.wrongs > before && logs.length < MOST_LOGS)
      logs.push(logOf(execution, calls.get(id)));
    known.set(id, { tenant, status, workflow, output });
  }
  ledger.end();
  for (const id of calls.keys()) {
    if (!known.has(id)) tally.wrong('I2', `the target was called for ${id}, which is not there`);
  }
  checkPlatform(evidence, known, tally);
  checkLiveness(liveness, tally);
  return { verdicts: tally.verdicts(), logs };
}

/** What a person needs to see what came to pass: the log, and what the target was asked. */
function logOf(execution: StoredExecution, calls: readonly Call[] = []): string {
  const { workflow, runtime, status, epoch, owner, events } = execution;
  return [
    `${workflow} ${execution.id}: ${runtime}, ${status}, epoch ${epoch}, owner ${owner}`,
    ...events.map(({ seq, epoch: own, at, event }) =>
      `  ${seq} epoch ${own} at ${at} ${event.type} ${event.step ?? ''}`.trimEnd(),
    ),
    ...calls.map(
      ({ from, to, key, attempt, value }) =>
        `  called ${from} to ${to}, ${key}, attempt ${attempt}: ${value}`,
    ),
  ].join('\n');
}

/** A check that looked at nothing has shown nothing. */
export function failures(
  verdicts: readonly Verdict[],
  /** What this run could not look at, and says so. */
  beyond: readonly Invariant[] = [],
): string[] {
  return verdicts.flatMap(({ id, looked, violations, told }) => {
    if (violations > 0) return [`${id}: ${violations} violations: ${told.join('; ')}`];
    return looked === 0 && !beyond.includes(id) ? [`${id}: it looked at nothing`] : [];
  });
}
