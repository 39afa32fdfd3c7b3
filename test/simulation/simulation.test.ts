import { describe, expect, it } from 'vitest';
import type { Signal } from '#core/execution/commands.ts';
import { checkDefinition } from '#core/plan/check.ts';
import type { Core } from './core.ts';
import { REAL_CORE } from './core.ts';
import { violations } from './invariants.ts';
import { MUTATIONS } from './mutations.ts';
import { createRandom } from './random.ts';
import { calmWorkflow, comparable, simulate, simulateCalm } from './seeds.ts';
import { CALM, Simulation } from './simulation.ts';

const SEEDS = 2_000;

describe('the simulated engine', () => {
  it(`keeps every invariant over ${SEEDS} seeds of crashes, take-overs and lost answers`, async () => {
    const seen = {
      crashes: 0,
      fenced: 0,
      COMPLETED: 0,
      FAILED: 0,
      CANCELLED: 0,
      PARTIAL: 0,
      exceeded: 0,
    };
    for (let seed = 1; seed <= SEEDS; seed++) {
      const { run, violations } = await simulate(seed);
      expect(violations, `npm run simulate -- --seed ${seed}`).toEqual([]);
      seen.crashes += run.crashes;
      if (run.timeline.some((line) => line.includes('fenced off'))) seen.fenced += 1;
      if (run.final.status in seen) seen[run.final.status as 'COMPLETED'] += 1;
      if (run.final.compensation === 'PARTIAL') seen.PARTIAL += 1;
      if (run.final.exceeded !== null) seen.exceeded += 1;
    }
    // What never happened proves nothing.
    for (const [what, count] of Object.entries(seen)) {
      expect(count, what).toBeGreaterThan(SEEDS / 50);
    }
  });

  it('never changes a state, an event or an outcome that it was given', async () => {
    const frozen: Core = {
      ...REAL_CORE,
      apply: (program, state, recorded) =>
        freeze(REAL_CORE.apply(program, freeze(state), freeze(recorded))),
      decide: (program, state, outcome, now, quota) =>
        freeze(REAL_CORE.decide(program, freeze(state), freeze(outcome), now, quota)),
    };
    for (let seed = 1; seed <= 100; seed++) {
      const { violations } = await simulate(seed, frozen);
      expect(violations, `seed ${seed}`).toEqual([]);
    }
  });

  it('gives the same timeline for the same seed', async () => {
    for (const seed of [3, 14, 159]) {
      const [first, second] = [await simulate(seed), await simulate(seed)];
      expect(first.run.timeline).toEqual(second.run.timeline);
    }
  });
});

describe('a restart at every event', () => {
  it('changes neither the report nor the effects', async () => {
    let restarts = 0;
    for (let seed = 1; seed <= 120; seed++) {
      const generated = calmWorkflow(seed);
      const whole = await simulateCalm(seed, null, generated);
      expect(whole.violations, `seed ${seed}`).toEqual([]);
      const expected = comparable(whole.run);
      for (let event = 2; event <= whole.run.store.log.length; event++) {
        const restarted = await simulateCalm(seed, event, generated);
        const name = `seed ${seed}, crash after event ${event}`;
        expect(restarted.violations, name).toEqual([]);
        expect(comparable(restarted.run), name).toEqual(expected);
        restarts += 1;
      }
    }
    expect(restarts).toBeGreaterThan(2_000);
  });
});

describe('a decision that stopped at its limit', () => {
  const steps = [
    {
      id: 'each',
      type: 'for_each',
      config: {
        items: '{% $input.items %}',
        max_items: 200,
        concurrency: 7,
        steps: [
          { id: 'here', type: 'transform', config: { value: '{% $item %}' } },
          {
            id: 'there',
            type: 'transform',
            depends_on: ['here'],
            when: '{% $index > 180 %}',
            config: { value: '{% $sum([$item, 1]) %}' },
          },
        ],
      },
    },
  ];
  const checked = checkDefinition({ workflow_id: 'large', version: '1.0.0', steps });
  const input = { items: Array.from({ length: 200 }, (_, i) => i) };

  it('goes on after a crash, a pause or a cancel', async () => {
    if (!checked.ok) throw new Error(JSON.stringify(checked.problems));
    const { program } = checked;
    const simulation = (crashAt: number | null, signals: Signal[] = []) =>
      new Simulation({
        program,
        input,
        core: REAL_CORE,
        random: createRandom(1),
        seed: 1,
        faults: { ...CALM, crashAt },
        signals: signals.map((signal) => ({ at: 0, signal })),
      }).run();
    const whole = await simulation(null);
    const yields = whole.store.log.filter(({ event }) => event.type === 'execution_yielded');
    expect(whole.final.status).toBe('COMPLETED');
    expect(yields.length).toBeGreaterThan(0);
    expect(violations(whole)).toEqual([]);
    for (const { seq } of yields) {
      for (const crashAt of [seq - 1, seq, seq + 1]) {
        const crashed = await simulation(crashAt);
        expect(crashed.crashes).toBe(1);
        expect(violations(crashed)).toEqual([]);
        expect(comparable(crashed)).toEqual(comparable(whole));
      }
    }
    const pause: Signal[] = [
      { kind: 'pause', by: null },
      { kind: 'resume', by: null },
    ];
    expect(comparable(await simulation(null, pause))).toEqual(comparable(whole));
    const cancel: Signal = { kind: 'cancel', by: null, compensate: false, reason: null };
    const cancelled = await simulation(null, [cancel]);
    expect(cancelled.final.status).toBe('CANCELLED');
    expect(violations(cancelled)).toEqual([]);
  });
});

describe('planted bugs are caught', () => {
  it.each(Object.keys(MUTATIONS))('%s', async (bug) => {
    const core = MUTATIONS[bug]!;
    let caught: string | null = null;
    for (let seed = 1; seed <= 400 && caught === null; seed++) {
      caught = await complaint(seed, core);
    }
    expect(caught, 'no seed noticed').not.toBeNull();
  });
});

/** What a check says about a run with a planted bug; a throw of the core counts as noticing it. */
async function complaint(seed: number, core: (typeof MUTATIONS)[string]): Promise<string | null> {
  try {
    return (await simulate(seed, core)).violations[0] ?? null;
  } catch (error) {
    if (error instanceof TypeError) return error.message;
    throw error;
  }
}

function freeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  Object.freeze(value);
  for (const member of Object.values(value)) freeze(member);
  return value;
}
