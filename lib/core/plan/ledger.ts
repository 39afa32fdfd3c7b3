import { LIMITS } from '#core/dsl/limits.ts';
import type { Problems } from '#core/dsl/problems.ts';
import { jsonBytes, pointerTo, utf8Length } from '#core/json.ts';
import type { OutlineStep } from '#core/plan/outline.ts';
import { type Compensation, expressionsOf, type Template } from '#core/plan/program.ts';

/**
 * The ledger holds the evaluated config of every compensation until the end, at most 32 KiB of them
 * (rule 39). Each entry may be as large as its fixed text, and beyond that all share alike what is
 * left; a step in a for_each or loop counts once per iteration.
 */
export function shareLedger(
  entries: ReadonlyMap<OutlineStep, Omit<Compensation, 'maxBytes'>>,
  problems: Problems,
): ReadonlyMap<OutlineStep, Compensation> {
  const sized = [...entries].map(([step, compensation]) => ({
    step,
    compensation,
    least: leastBytes(compensation.config),
    times: timesRun(step),
  }));
  const needed = sized.reduce((sum, { least, times }) => sum + least * times, 0);
  const count = sized.reduce((sum, { times }) => sum + times, 0);
  const [heaviest] = [...sized].sort((a, b) => b.least * b.times - a.least * a.times);
  if (heaviest !== undefined && needed > LIMITS.ledgerBytes) {
    problems.add({
      code: 'E_BUDGET_LEDGER',
      pointer: pointerTo(heaviest.step.draft.pointer, 'compensate'),
      message: 'the compensations of one execution may need more room than the ledger has',
      given: `${needed} bytes, ${heaviest.least * heaviest.times} of them for '${heaviest.step.path}'`,
      allowed: `at most ${LIMITS.ledgerBytes} bytes over all steps and iterations`,
    });
  }
  const spare = count === 0 ? 0 : Math.max(0, Math.floor((LIMITS.ledgerBytes - needed) / count));
  return new Map(
    sized.map(({ step, compensation, least }) => [
      step,
      { ...compensation, maxBytes: least + spare },
    ]),
  );
}

function timesRun(step: OutlineStep): number {
  let times = 1;
  for (let at = step.scope.holder; at !== null; at = at.scope.holder) {
    const { draft } = at;
    if (draft.type === 'for_each') times *= draft.config.max_items ?? LIMITS.forEachItemsDefault;
    if (draft.type === 'loop') times *= draft.config.max_iterations ?? 1;
  }
  return times;
}

function leastBytes(template: Template): number {
  switch (template.kind) {
    case 'literal':
      return jsonBytes(template.value);
    case 'expression':
      return LIMITS.ledgerExpressionBytes;
    case 'text': {
      const fixed = template.parts.filter((part) => typeof part === 'string').join('');
      const parts = [...expressionsOf(template)].length;
      return utf8Length(JSON.stringify(fixed)) + parts * LIMITS.ledgerExpressionBytes;
    }
    case 'array':
      return template.items.reduce((sum, item) => sum + leastBytes(item) + 1, 2);
    case 'object':
      return template.members.reduce(
        (sum, [key, member]) => sum + utf8Length(JSON.stringify(key)) + 2 + leastBytes(member),
        2,
      );
  }
}
