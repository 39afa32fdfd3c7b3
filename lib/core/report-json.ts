import type { MachineStats } from '#core/asl/compile.ts';
import type { WorkflowReport } from '#core/check-workflow.ts';
import type { BarrierReport, StepReport } from '#core/plan/report.ts';

/** A report as it leaves the system: in the names of the API. Member by member, so that a new one must be named. */
export function reportJson(report: WorkflowReport) {
  const { workflowId, hash, steps, criticalPath, barriers, totalCalls, recordBytes } = report;
  const { version, runtime, calls, choice, machine } = report;
  return {
    workflow_id: workflowId,
    version,
    program_hash: hash,
    runtime,
    choice: {
      runtime: choice.runtime,
      reason: choice.reason,
      obstacles: choice.obstacles.map((problem) => ({ ...problem })),
    },
    steps: steps.map(stepJson),
    critical_path: { steps: [...criticalPath.steps], estimate_ms: criticalPath.estimateMs },
    barriers: barriers.map(barrierJson),
    calls: { ...calls },
    total_calls: totalCalls,
    record_bytes: recordBytes,
    machine: machine === null ? null : machineJson(machine),
  };
}

export type ReportJson = ReturnType<typeof reportJson>;

function stepJson(step: StepReport) {
  const { path, type, no, pointer, live, slow, runs, calls } = step;
  return {
    ...{ path, type, no, pointer },
    max_output_bytes: step.maxOutputBytes,
    ...{ live, slow },
    estimate_ms: step.estimateMs,
    ...{ runs, calls },
  };
}

function barrierJson(barrier: BarrierReport) {
  const { scope, pointer, before, after, pairs, slowPairs, stretch } = barrier;
  return {
    scope,
    pointer,
    before: [...before],
    after: [...after],
    pairs: pairs.map((pair) => [...pair]),
    slow_pairs: slowPairs.map((pair) => [...pair]),
    stretch,
  };
}

function machineJson({
  states,
  bytes,
  barriers,
  transitions,
  events,
  usdPerMillion,
}: MachineStats) {
  return {
    ...{ states, bytes, barriers },
    transitions: { ...transitions },
    events: { ...events },
    usd_per_million: usdPerMillion,
  };
}
