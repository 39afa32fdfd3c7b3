import { indexOf, keyOf, placeOf, type StepInfo } from '#core/execution/program-index.ts';
import { isJsonObject, type Json } from '#core/json.ts';
import { scopesOf as innerScopes, type Scope } from '#core/plan/program.ts';
import { programOf, type RunResult, type Scenario } from './harness.ts';

/**
 * Rule 4 lets a runtime delay a ready step; Step Functions does so at barriers, and when it repeats a
 * task because a part was away. Where neither is about, both runtimes must keep the same times.
 */
export function isTimed({ workflow, others = [], world }: Scenario): boolean {
  if (Object.keys(world?.away ?? {}).length > 0) return false;
  return [workflow, ...others].every((definition) =>
    scopesOf(programOf(definition).root).every(({ barriers }) => barriers.length === 0),
  );
}

/**
 * A machine comes to a step by way of those before it, also when it was carried over and they run again: what
 * stands behind it then is later than on the engine, which waits for nobody who has ended.
 */
export function keepsTimes({ program, root }: RunResult): boolean {
  const { carried } = root.state;
  if (carried === null) return true;
  const index = indexOf(program);
  return Object.keys(carried).every((key) => {
    const place = placeOf(index, key);
    const { step, scope } = place.info;
    return step.dependsOn.every((position) => {
      const info = scope.steps[position] as StepInfo;
      return keyOf({ ...place, info }) in carried;
    });
  });
}

function scopesOf(scope: Scope): Scope[] {
  return [
    scope,
    ...scope.steps.flatMap((step) => innerScopes(step).flatMap(([, inner]) => scopesOf(inner))),
  ];
}

/**
 * Values that are times: when an approval was answered, when a child began. Rule 41 speaks of them only
 * where both runtimes keep the same times.
 */
export function readsTimes({ workflow, others = [], retry }: Scenario): boolean {
  const later = retry === undefined ? others : [workflow, ...others];
  return answersTime(workflow) || JSON.stringify(later).includes('started_at');
}

function answersTime(value: Json): boolean {
  if (Array.isArray(value)) return value.some(answersTime);
  if (!isJsonObject(value)) return false;
  const { type, result } = value;
  // The whole result of an approval holds `at`; a member of it that somebody chose does not.
  if (type === 'approval' && !(typeof result === 'string' && /\$result\.(?!at\b)/.test(result)))
    return true;
  return Object.values(value).some(answersTime);
}
