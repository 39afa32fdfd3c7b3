import { LIMITS } from '#core/dsl/limits.ts';
import type { Problems } from '#core/dsl/problems.ts';
import { utf8Length } from '#core/json.ts';
import { type OutlineScope, type OutlineStep, outlineSteps } from '#core/plan/outline.ts';
import type { SeriesParallel, StepType } from '#core/plan/program.ts';

// Sizes (rule 39). Every region has a capacity, and what it holds may not outgrow it even when each
// output is as large as its budget. A budget that the author left open is an equal share: the
// largest number, up to the default, that fits every region around the step.
//
//   parallel   records of a fork-join meet in one state            240 KiB
//   output     the default output holds every top-level output     240 KiB
//   body       a container's record holds its body's outputs       240 KiB, or its own budget
//   map        so does a for_each, once per item                   240 KiB, or its own budget
//   workflow   all records of an execution together                8 MiB

type Weigh = (share: number) => number;

interface Region {
  readonly kind: 'parallel' | 'output' | 'body' | 'map' | 'workflow';
  readonly pointer: string;
  readonly capacity: number;
  /** Bytes when every open budget is `share`. Grows with it. */
  readonly weigh: Weigh;
  readonly steps: readonly OutlineStep[];
}

/** Types whose output is always null. */
const SILENT: readonly (StepType | null)[] = ['wait', 'fail', null];

export interface Budgets {
  readonly of: ReadonlyMap<OutlineStep, number>;
  /** Bytes of all records of an execution at their largest. */
  readonly workflowBytes: number;
}

export function shareBudgets(
  root: OutlineScope,
  trees: ReadonlyMap<OutlineScope, SeriesParallel>,
  live: ReadonlySet<OutlineStep>,
  defaultOutput: boolean,
  problems: Problems,
): Budgets {
  const regions = regionsOf(root, trees, live, defaultOutput);
  const shares = new Map<OutlineStep, number>();
  for (const region of regions) {
    const open = region.steps.filter(isOpen);
    const share = largestShare(region.weigh, region.capacity);
    if (share === null || (open.length > 0 && share < LIMITS.outputBytesShareLeast)) {
      reportOverflow(region, open, problems);
    }
    for (const step of open) {
      shares.set(step, Math.min(shares.get(step) ?? LIMITS.outputBytesDefault, share ?? 0));
    }
  }
  const of = new Map<OutlineStep, number>();
  const leaf = (step: OutlineStep) =>
    budgetOfLeaf(step, shares.get(step) ?? LIMITS.outputBytesDefault);
  for (const step of outlineSteps(root)) {
    // The author's own limit of a container stands as it is; it was a region above.
    const own = step.draft.fields.max_output_bytes;
    of.set(step, isContainer(step) ? (own ?? containerWeight(step, leaf)) : leaf(step));
  }
  return { of, workflowBytes: scopeRecords(root, 1, leaf) };
}

function regionsOf(
  root: OutlineScope,
  trees: ReadonlyMap<OutlineScope, SeriesParallel>,
  live: ReadonlySet<OutlineStep>,
  defaultOutput: boolean,
): Region[] {
  const steps = [...outlineSteps(root)];
  const byShare = (share: number) => (step: OutlineStep) => budgetOfLeaf(step, share);
  const regions: Region[] = [
    {
      kind: 'workflow',
      pointer: '/steps',
      capacity: LIMITS.workflowBytes,
      weigh: (share) => scopeRecords(root, 1, byShare(share)),
      steps,
    },
  ];
  if (defaultOutput) {
    regions.push({
      kind: 'output',
      pointer: '/steps',
      capacity: LIMITS.regionBytes,
      weigh: (share) => scopeOutputs(root, byShare(share)),
      steps,
    });
  }
  const visit = (scope: OutlineScope): void => {
    for (const members of forkJoins(trees.get(scope))) {
      const inside = members.flatMap((i) => scope.steps[i] ?? []);
      const [first] = inside;
      regions.push({
        kind: 'parallel',
        pointer: first?.draft.pointer ?? scope.draft.pointer,
        capacity: LIMITS.regionBytes,
        weigh: (share) =>
          sum(inside, (step) =>
            live.has(step)
              ? stepWeight(step, byShare(share)) + LIMITS.recordBytes
              : LIMITS.recordBytes,
          ),
        steps: inside.flatMap(withInner).filter((step) => live.has(step)),
      });
    }
    for (const step of scope.steps) {
      if (isContainer(step)) {
        regions.push({
          kind: step.draft.type === 'for_each' ? 'map' : 'body',
          pointer: step.draft.pointer,
          capacity: step.draft.fields.max_output_bytes ?? LIMITS.regionBytes,
          weigh: (share) => containerWeight(step, byShare(share)),
          steps: withInner(step).slice(1),
        });
      }
      for (const inner of step.inner.values()) visit(inner);
    }
  };
  visit(root);
  return regions;
}

/** Binary search: the weight of a region grows with the share. Null: not even nothing fits. */
function largestShare(weigh: Weigh, capacity: number): number | null {
  if (weigh(LIMITS.outputBytesDefault) <= capacity) return LIMITS.outputBytesDefault;
  if (weigh(0) > capacity) return null;
  let fits = 0;
  let tooMuch: number = LIMITS.outputBytesDefault;
  while (tooMuch - fits > 1) {
    const middle = Math.floor((fits + tooMuch) / 2);
    if (weigh(middle) <= capacity) fits = middle;
    else tooMuch = middle;
  }
  return fits;
}

function isContainer(step: OutlineStep): boolean {
  return step.inner.size > 0;
}

function isOpen(step: OutlineStep): boolean {
  return (
    !isContainer(step) &&
    !SILENT.includes(step.draft.type) &&
    step.draft.fields.max_output_bytes === undefined
  );
}

function budgetOfLeaf(step: OutlineStep, share: number): number {
  if (SILENT.includes(step.draft.type)) return LIMITS.outputBytesLeast;
  return step.draft.fields.max_output_bytes ?? share;
}

type Leaf = (step: OutlineStep) => number;

function stepWeight(step: OutlineStep, leaf: Leaf): number {
  return isContainer(step) ? containerWeight(step, leaf) : leaf(step);
}

/** `{"a":...,"b":...}`: each name with quotes, colon and comma, and at least `null`. */
function scopeOutputs(scope: OutlineScope, leaf: Leaf): number {
  return sum(
    scope.steps,
    (step) => utf8Length(step.id) + 4 + Math.max(LIMITS.outputBytesLeast, stepWeight(step, leaf)),
  );
}

/** The record of a container at its largest: all iterations, or the largest arm. */
function containerWeight(step: OutlineStep, leaf: Leaf): number {
  const bodies = [...step.inner.values()].map((scope) => scopeOutputs(scope, leaf));
  const largest = Math.max(0, ...bodies);
  if (step.draft.type !== 'for_each') return largest + LIMITS.containerBytes;
  const items = step.draft.config.max_items ?? LIMITS.forEachItemsDefault;
  return items * (largest + LIMITS.iterationBytes);
}

/** All records that an execution may hold at once, those inside containers included. */
function scopeRecords(scope: OutlineScope, times: number, leaf: Leaf): number {
  return sum(scope.steps, (step) => {
    const own = times * (stepWeight(step, leaf) + LIMITS.recordBytes);
    const { draft } = step;
    const items =
      draft.type === 'for_each'
        ? Math.min(
            draft.config.max_items ?? LIMITS.forEachItemsDefault,
            draft.config.concurrency ?? LIMITS.forEachConcurrencyDefault,
          )
        : 1;
    return own + sum([...step.inner.values()], (inner) => scopeRecords(inner, times * items, leaf));
  });
}

/** Members of every outermost parallel part. */
function forkJoins(tree: SeriesParallel | undefined): number[][] {
  if (tree === undefined || tree.kind === 'leaf') return [];
  return tree.kind === 'parallel' ? [leavesOf(tree)] : tree.of.flatMap((part) => forkJoins(part));
}

function leavesOf(tree: SeriesParallel): number[] {
  return tree.kind === 'leaf' ? [tree.step] : tree.of.flatMap(leavesOf);
}

function withInner(step: OutlineStep): OutlineStep[] {
  return [step, ...[...step.inner.values()].flatMap((inner) => [...outlineSteps(inner)])];
}

function sum<T>(items: readonly T[], of: (item: T) => number): number {
  let total = 0;
  for (const item of items) total += of(item);
  return total;
}

function reportOverflow(region: Region, open: readonly OutlineStep[], problems: Problems): void {
  const what = {
    parallel: 'the steps that run beside each other',
    output: "the top-level steps together (they are the workflow's output)",
    body: 'the steps in this container',
    map: 'all iterations of this for_each',
    workflow: 'all steps of the workflow',
  }[region.kind];
  const remedy =
    region.kind === 'map'
      ? 'lower max_items, or max_output_bytes of the steps inside'
      : region.kind === 'output'
        ? "lower max_output_bytes, or give the workflow an 'output'"
        : 'lower max_output_bytes of these steps';
  const least = region.weigh(open.length > 0 ? LIMITS.outputBytesShareLeast : 0);
  problems.add({
    code: region.kind === 'map' ? 'E_BUDGET_MAP' : 'E_BUDGET_REGION',
    pointer: region.pointer,
    message: `${what} may have more output than can be carried`,
    given: `${least} bytes${open.length > 0 ? ` with ${LIMITS.outputBytesShareLeast} for each step without max_output_bytes` : ''}`,
    allowed: `at most ${region.capacity} bytes: ${remedy}`,
  });
}
