import type { VisibleName } from '#core/plan/program.ts';

/** What an expression can read, and the members that are always the same (rule 11). */
export const VISIBLE_NAMES: { readonly [N in VisibleName | 'steps']: readonly string[] | null } = {
  input: null,
  execution: ['id', 'workflow_id', 'version', 'started_at'],
  steps: null,
  item: null,
  index: null,
  loop: ['index', 'last'],
  result: null,
};

export type ReadableName = keyof typeof VISIBLE_NAMES;

export const STEP_FIELDS = ['status', 'output', 'error', 'attempts'] as const;
export type StepField = (typeof STEP_FIELDS)[number];

export function isReadableName(name: string): name is ReadableName {
  return Object.hasOwn(VISIBLE_NAMES, name);
}

export function isStepField(name: string): name is StepField {
  return (STEP_FIELDS as readonly string[]).includes(name);
}

/** Functions of the portable language: JSONata 2.0.6 without the banned ones, and our four. */
export const FUNCTIONS: ReadonlySet<string> = new Set(
  `abs append assert average base64decode base64encode boolean ceil clone contains count
  decodeUrl decodeUrlComponent distinct each encodeUrl encodeUrlComponent error exists filter floor
  formatBase formatInteger formatNumber fromMillis join keys length lookup lowercase map match max
  merge min not number pad parseInteger power reduce replace reverse round sift single sort split
  spread sqrt string substring substringAfter substringBefore sum toMillis trim type uppercase zip
  hash parse partition range`.split(/\s+/),
);

/** Functions that would make two evaluations of the same thing differ, or hide code in data. */
export const BANNED_FUNCTIONS: { readonly [name: string]: string } = {
  eval: 'the expression itself',
  random: 'a value from the input',
  uuid: '$execution.id or a value from the input',
  now: '$execution.started_at',
  millis: '$toMillis($execution.started_at)',
  shuffle: '$sort',
};

/** The nearest of the candidates when it is near enough to be what was meant. */
export function nearest(name: string, candidates: Iterable<string>): string | null {
  const limit = name.length <= 3 ? 1 : 2;
  let best: string | null = null;
  let bestDistance = limit + 1;
  for (const candidate of candidates) {
    if (Math.abs(candidate.length - name.length) > limit) continue;
    const distance = editDistance(name.toLowerCase(), candidate.toLowerCase());
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

/** Insertions, deletions, replacements and swaps of neighbours between two short names. */
function editDistance(a: string, b: string): number {
  let before: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1;
      let cost = Math.min(
        (previous[j] ?? 0) + 1,
        (row[j - 1] ?? 0) + 1,
        (previous[j - 1] ?? 0) + same,
      );
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        cost = Math.min(cost, (before[j - 2] ?? 0) + 1);
      }
      row.push(cost);
    }
    before = previous;
    previous = row;
  }
  return previous[b.length] ?? 0;
}
