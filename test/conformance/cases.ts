import { readdirSync, readFileSync } from 'node:fs';
import type { JsonObject } from '#core/json.ts';
import { TRIGGER_RULES } from '#core/plan/program.ts';
import type { ConformanceCase } from './case.ts';

/** The cases of the language: those written down, and the table of trigger rules. */
export function allCases(): ConformanceCase[] {
  const folder = new URL('./cases/', import.meta.url);
  const written = readdirSync(folder)
    .filter((name) => name.endsWith('.json'))
    .map((name) => JSON.parse(readFileSync(new URL(name, folder), 'utf8')) as ConformanceCase);
  return [...written, ...ruleTable()];
}

const CLASSES = ['S', 'F', 'U', 'K'] as const;
type Class = (typeof CLASSES)[number];

/**
 * Every trigger rule over two dependencies of every pair of classes. What must come of each is
 * written from rules 7 and 8, not taken from any implementation.
 */
export function ruleTable(): ConformanceCase[] {
  return TRIGGER_RULES.flatMap((rule) =>
    CLASSES.flatMap((left) => CLASSES.map((right) => ruleCase(rule, left, right))),
  );
}

function ruleCase(
  rule: (typeof TRIGGER_RULES)[number],
  left: Class,
  right: Class,
): ConformanceCase {
  const classes = [left, right];
  const bad = classes.filter((each) => each === 'F' || each === 'U').length;
  const runs = {
    all_success: classes.every((each) => each === 'S'),
    none_failed: bad === 0,
    none_failed_min_one_success: bad === 0 && classes.includes('S'),
    all_done: true,
    one_failed: bad > 0,
    all_failed: bad === 2,
  }[rule];
  const strict = ['all_success', 'none_failed', 'none_failed_min_one_success'].includes(rule);
  const skip = strict ? (bad > 0 ? 'U UPSTREAM_FAILED' : 'K UPSTREAM_SKIPPED') : 'K RULE_NOT_MET';
  const sides = { l: left, r: right };
  const steps = Object.entries(sides).flatMap(([side, of]) => dependency(side, of));
  const verdicts = Object.entries(sides).flatMap(([side, of]) => verdictsOf(side, of));
  const target = {
    id: 'target',
    type: 'transform',
    depends_on: ['l', 'r'],
    trigger: rule,
    config: { value: 'ran' },
  };
  return {
    name: `rule-table ${rule} over ${left} and ${right}`,
    shows: 'trigger rules over two dependencies, all pairs of classes',
    workflow: {
      workflow_id: 'c-rule-table',
      version: '1.0.0',
      output: null,
      steps: [...steps, target],
    },
    input: {},
    expect: {
      status: bad > 0 ? 'FAILED' : 'COMPLETED',
      compensation: 'NONE',
      steps: { ...Object.fromEntries(verdicts), target: runs ? 'S' : skip },
      attempts: { target: runs ? 1 : 0 },
    },
  };
}

/** A step of the wanted class; U needs one that fails before it. */
function dependency(id: string, of: Class): JsonObject[] {
  const value = { id, type: 'transform', config: { value: 1 } };
  switch (of) {
    case 'S':
      return [value];
    case 'F':
      return [{ id, type: 'fail', config: { error: 'Not.Good' } }];
    case 'U':
      return [
        { id: `${id}-before`, type: 'fail', config: { error: 'Not.Good' } },
        { ...value, depends_on: [`${id}-before`] },
      ];
    case 'K':
      return [{ ...value, when: '{% false %}' }];
  }
}

function verdictsOf(id: string, of: Class): [string, string][] {
  switch (of) {
    case 'S':
      return [[id, 'S']];
    case 'F':
      return [[id, 'F Not.Good']];
    case 'U':
      return [
        [`${id}-before`, 'F Not.Good'],
        [id, 'U UPSTREAM_FAILED'],
      ];
    case 'K':
      return [[id, 'K CONDITION_FALSE']];
  }
}
