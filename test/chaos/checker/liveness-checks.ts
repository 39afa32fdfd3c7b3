/** What must come about in time once the faults are over: L1 to L6. */
import type { Footprint, LivenessEvidence } from './evidence.ts';
import type { Tally } from './tally.ts';

/** Beside what the platform took up before: what a run may leave open for a moment. */
const SLACK = { handles: 40, sessions: 12, memoryMb: 300 } as const;

export function checkLiveness(evidence: LivenessEvidence, tally: Tally): void {
  const { takeOvers, takeOverBoundMs, unfinished, executions, healed, rate } = evidence;
  for (const { fault, ms, had } of takeOvers) {
    tally.looked('L1', Math.max(1, had));
    if (ms === null || ms > takeOverBoundMs) {
      tally.wrong('L1', `after ${fault}, what it had is its own after ${ms ?? 'too many'} ms`);
    }
  }
  tally.looked('L2', executions);
  for (const id of unfinished) tally.wrong('L2', `${id} has not ended`);
  const waits = {
    'messages in the outbox': healed.outboxLag,
    'records for readers': healed.consumerLag ?? 0,
    'entries before the seal': healed.auditInbox,
  };
  for (const [what, count] of Object.entries(waits)) {
    tally.looked('L3');
    if (count > 0) tally.wrong('L3', `${count} ${what} wait`);
  }
  tally.looked('L4', Math.ceil(rate.after));
  if (rate.after < rate.calm * evidence.rateFloor || rate.after === 0) {
    tally.wrong(
      'L4',
      `${rate.after.toFixed(1)} end in a second, ${rate.calm.toFixed(1)} did before`,
    );
  }
  checkFootprint(evidence.before, evidence.end, tally);
  checkReadiness(evidence, tally);
}

function checkFootprint(before: Footprint, end: Footprint, tally: Tally): void {
  for (const what of ['handles', 'sessions', 'memoryMb'] as const) {
    tally.looked('L5');
    if (end[what] > before[what] * 1.1 + SLACK[what]) {
      tally.wrong('L5', `${what}: ${end[what]} at the end, ${before[what]} before the faults`);
    }
  }
  if (end.keysWithoutEnd === null) return;
  tally.looked('L5');
  if (end.keysWithoutEnd > 0)
    tally.wrong('L5', `${end.keysWithoutEnd} keys of the cache never end`);
}

function checkReadiness(evidence: LivenessEvidence, tally: Tally): void {
  const { probes, outages, absences, readyBoundMs } = evidence;
  const within = (at: number, { from, to }: { from: number; to: number }, more = 0) =>
    at >= from && at <= to + more;
  for (const probe of probes) {
    // Whoever is ended on purpose answers nothing, and its port is somebody's again a little later.
    if (absences.some((absence) => within(probe.at, absence, 2_000))) continue;
    tally.looked('L6');
    if (!probe.reached || !probe.live)
      tally.wrong('L6', `it does not say that it lives, at ${probe.at}`);
  }
  for (const outage of outages) {
    const during = probes.filter(({ at, reached }) => reached && within(at, outage));
    const after = probes.filter(({ at }) => at > outage.to && at < outage.to + readyBoundMs);
    if (absences.some(({ from, to }) => from < outage.to + readyBoundMs && to > outage.from))
      continue;
    tally.looked('L6', during.length + after.length);
    if (during.length > 2 && during.every(({ ready }) => ready)) {
      tally.wrong('L6', `it says that it is ready while its database is away, at ${outage.from}`);
    }
    if (after.length > 0 && !after.some(({ ready }) => ready)) {
      tally.wrong('L6', `it is not ready ${readyBoundMs} ms after its database is back`);
    }
  }
}
