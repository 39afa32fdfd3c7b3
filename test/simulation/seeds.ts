import type { Signal } from '#core/execution/commands.ts';
import type { Quota } from '#core/execution/quota.ts';
import { QUOTA } from '#core/execution/quota.ts';
import type { ExecutionReport } from '#core/execution/report.ts';
import { report } from '#core/execution/report.ts';
import type { Core } from './core.ts';
import { REAL_CORE } from './core.ts';
import type { Generated } from './generate.ts';
import { generate } from './generate.ts';
import { violations } from './invariants.ts';
import { createRandom } from './random.ts';
import type { Faults, Run } from './simulation.ts';
import { CALM, Simulation } from './simulation.ts';

export interface Verdict {
  readonly seed: number;
  readonly run: Run;
  readonly violations: readonly string[];
}

/** One random workflow in one random world with random faults and signals. */
export async function simulate(seed: number, core: Core = REAL_CORE): Promise<Verdict> {
  const random = createRandom(seed);
  const { program, input } = generate(random, { calm: false });
  const faults: Faults = {
    crash: random.pick([0, 0.03, 0.15]),
    takeOver: random.pick([0, 0, 0.05]),
    duplicate: random.pick([0, 0.4]),
    crashAt: null,
    takeOverMs: random.pick([0, 5_000]),
  };
  const signals: { at: number; signal: Signal }[] = [];
  if (random.chance(0.15)) {
    const compensate = random.chance(0.5);
    const signal: Signal = { kind: 'cancel', by: 'ada', compensate, reason: null };
    signals.push({ at: random.int(0, 20_000), signal });
  }
  if (random.chance(0.2)) {
    const at = random.int(0, 10_000);
    signals.push({ at, signal: { kind: 'pause', by: 'ada' } });
    signals.push({ at: at + random.int(0, 60_000), signal: { kind: 'resume', by: 'ada' } });
  }
  // Every eighth execution may record so little that many of them come to their quota.
  const quota: Quota = seed % 8 === 0 ? { ...QUOTA, events: 15 + ((seed / 8) % 40) } : QUOTA;
  const simulation = new Simulation({
    program,
    input,
    core,
    random,
    seed,
    faults,
    quota,
    signals,
  });
  const run = await simulation.run();
  return { seed, run, violations: violations(run) };
}

/** The workflow of a seed without what makes its outcome depend on time. */
export function calmWorkflow(seed: number): Generated {
  return generate(createRandom(seed), { calm: true });
}

/** The same workflow and world with nothing but a crash after event `crashAt`, or with none at all. */
export async function simulateCalm(
  seed: number,
  crashAt: number | null,
  generated: Generated = calmWorkflow(seed),
): Promise<Verdict> {
  const random = createRandom(seed);
  const { program, input } = generated;
  const core = REAL_CORE;
  const faults: Faults = { ...CALM, crashAt };
  const run = await new Simulation({ program, input, core, random, seed, faults }).run();
  return { seed, run, violations: violations(run) };
}

/**
 * What must be the same however often a run was interrupted: the report (compensations as a set:
 * times shift, and with them the order of what is unordered) and the effects by key and attempt.
 */
export function comparable(run: Run): { report: ExecutionReport; effects: readonly string[] } {
  const full = report(run.program, run.final);
  const compensations = full.compensations.toSorted((a, b) => (a.step < b.step ? -1 : 1));
  const effects = run.world.effects.map(({ kind, step, attempt }) => `${kind} ${step}#${attempt}`);
  return { report: { ...full, compensations }, effects: [...new Set(effects)].sort() };
}
