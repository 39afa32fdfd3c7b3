import type { BranchStep, Scope, Step } from '#core/plan/program.ts';
import { failedCount, inside, outputsTemplate } from './container.ts';
import { bound, isInline } from './expressions.ts';
import { viaDefault, viaRule } from './gate.ts';
import { expression } from './records.ts';
import { stepTask } from './task.ts';
import { testTask } from './test-task.ts';
import type { ChoiceState } from './types.ts';
import type { Exit, Place, Writing } from './writing.ts';
import { addState, arrivalOf, arrive, recordOf } from './writing.ts';

/**
 * The state with the branch's name chooses the arm; each arm closes itself. Cases are tested in order:
 * in the Choice when all of them can stand there, else by the runner, which answers with the key.
 */
export function emitBranch(
  writing: Writing,
  place: Place,
  step: BranchStep,
  incoming: readonly Exit[],
): Exit[] {
  const done: Exit[] = [];
  let ways = incoming;
  let conditions: readonly string[];
  const whens = step.cases.map(({ when }) => when);
  if (whens.every(isInline)) {
    conditions = whens.map((when) => `${bound(place, when)} = true`);
  } else {
    const test = testTask(writing, place, step, 'cases', whens, ways);
    done.push(...test.failed);
    ways = [test.value];
    conditions = whens.map((_, i) => `$${test.variable} = '${i}'`);
  }
  const name = writing.names.step(step.path);
  const arrival = arrive(ways, name);
  const choice: ChoiceState = addState(place, name, { Type: 'Choice', Choices: [], Default: '' });
  const arms: [string, Scope | null, Exit][] = step.cases.map(({ body }, i) => {
    const rule = { Condition: expression(conditions[i] ?? 'false'), Next: '' };
    choice.Choices.push(rule);
    return [String(i), body, viaRule(writing, choice, rule, arrival, i === 0)];
  });
  arms.push([
    step.otherwise === null ? 'none' : 'else',
    step.otherwise,
    viaDefault(choice, arrival),
  ]);
  for (const [key, body, way] of arms) {
    done.push(...emitArm(writing, place, step, key, body, [way]));
  }
  return done;
}

function emitArm(
  writing: Writing,
  place: Place,
  step: BranchStep,
  key: string,
  body: Scope | null,
  incoming: readonly Exit[],
): Exit[] {
  const arm = body === null ? place : inside(place, step, body);
  const exits = body === null ? incoming : writing.emitScope(writing, arm, incoming);
  const { known } = arrivalOf(exits);
  const sources = (member: Step) => recordOf(arm, member);
  return stepTask(
    writing,
    place,
    step,
    {
      kind: 'container',
      name: writing.names.helper(step.path, `case-${key}`),
      payload: {
        type: step.type,
        output: {
          case: body === null ? null : key,
          steps: body === null ? {} : outputsTemplate(body, sources),
        },
        failed: body === null ? 0 : failedCount(body, known, sources),
      },
    },
    exits,
  );
}
