import { type OutlineScope, type OutlineStep, outlineSteps } from '#core/plan/outline.ts';
import type { Use } from '#core/plan/readings.ts';

/**
 * Steps whose output something later reads: an expression, the workflow's default output, or the
 * record of the container around it when that is read itself.
 */
export function liveSteps(
  root: OutlineScope,
  uses: readonly Use[],
  loopsRead: ReadonlySet<OutlineStep>,
  defaultOutput: boolean,
): Set<OutlineStep> {
  const read = new Set(uses.filter(({ output }) => output).map(({ target }) => target));
  const live = new Set<OutlineStep>();
  // Containers come before what they hold, so one pass is enough.
  for (const step of outlineSteps(root)) {
    const { holder } = step.scope;
    const kept = holder === null ? defaultOutput : live.has(holder) || loopsRead.has(holder);
    if (kept || read.has(step)) live.add(step);
  }
  return live;
}
