import type { StepError } from '#core/errors.ts';
import { failures } from '#core/execution/failures.ts';
import type { LoopStep, Step } from '#core/plan/program.ts';
import { CLASS } from './classes.ts';
import { classesThatMayFail, inside, outputsTemplate } from './container.ts';
import { bound, isInline } from './expressions.ts';
import { viaDefault, viaRule } from './gate.ts';
import { expression, plainSource } from './records.ts';
import { recordTask, stepTask } from './task.ts';
import { testTask } from './test-task.ts';
import type { ChoiceState } from './types.ts';
import type { Exit, Place, Writing } from './writing.ts';
import { addState, after, arrivalOf, arrive, leaving, recordOf, variable } from './writing.ts';

/**
 * `start` sets the counter; the state with the loop's name tests it; the body; `next` counts and goes
 * back. The body runs in the chart of the loop, so each round writes every record before it is read.
 *
 * L1 Nothing of one round is pending in the next: its variables will be overwritten, so ways on which
 *    the runner may not have everything go through `record` first.
 */
export function emitLoop(
  writing: Writing,
  place: Place,
  step: LoopStep,
  incoming: readonly Exit[],
): Exit[] {
  const index = variable(place.asl, 'i', step.no);
  const last = variable(place.asl, 'l', step.no);
  const lastBytes = step.body.steps.reduce((sum, each) => sum + each.maxOutputBytes, 0);
  const counted: Place = { ...place, loop: { index, last, lastBytes } };
  const failed: Exit[] = [];

  const start = writing.names.helper(step.path, 'start');
  let arrival = arrive(incoming, start);
  const init = addState(place, start, { Type: 'Pass', Assign: { [index]: 0, [last]: null } });
  let way: Exit = { ...leaving(place, init, new Map(), arrival), finish: null };

  let head = writing.names.step(step.path);
  const name = head;
  let goesOn: string;
  if (isInline(step.test)) {
    const test = `${bound(counted, step.test)} = true`;
    goesOn = step.negate ? `$not(${test})` : `(${test})`;
  } else {
    const test = testTask(writing, counted, step, 'loop', [step.test], [way]);
    failed.push(...test.failed);
    // The test is made again for each round, so the way back leads to it.
    head = test.name;
    way = test.value;
    goesOn = `$${test.variable} = 'on'`;
  }
  arrival = arrive([way], name);
  const choice: ChoiceState = addState(place, name, { Type: 'Choice', Choices: [], Default: '' });
  const round = {
    Condition: expression(`${goesOn} and $${index} < ${step.maxIterations}`),
    Next: '',
  };
  const over = { Condition: expression(goesOn), Next: '' };
  choice.Choices.push(round, over);

  const body: Place = {
    ...inside(counted, step, step.body),
    indices: [...place.indices, index],
  };
  const ends = writing.emitScope(writing, body, [viaRule(writing, choice, round, arrival, true)]);
  const next = emitNext(
    writing,
    body,
    step,
    head,
    index,
    last,
    recorded(writing, body, step, ends),
  );
  writing.hints.set(choice, {
    ...writing.hints.get(choice),
    times: step.maxIterations,
    back: next.name,
  });
  failed.push(
    ...failedLoop(writing, place, step, 'failed', failures.loop(), next.broken),
    ...failedLoop(writing, place, step, 'limit', failures.loopLimit(step.maxIterations), [
      viaRule(writing, choice, over, arrival, false),
    ]),
  );

  const doneName = writing.names.helper(step.path, 'done');
  const hint = writing.hints.get(choice);
  writing.hints.set(choice, { ...hint, leave: doneName });
  const done = stepTask(
    writing,
    place,
    step,
    {
      kind: 'container',
      name: doneName,
      payload: {
        type: step.type,
        output: { iterations: expression(`$${index}`), last: expression(`$${last}`) },
        failed: 0,
      },
    },
    [viaDefault(choice, arrival)],
  );
  return [...failed, ...done];
}

/** All ways on which everything has been reported (L1). */
function recorded(writing: Writing, body: Place, step: LoopStep, ends: readonly Exit[]): Exit[] {
  const open = ends.filter((exit) => exit.pending.size > 0);
  const closed = ends.filter((exit) => exit.pending.size === 0);
  if (open.length === 0) return closed;
  const name = writing.names.helper(step.path, 'record');
  const records = recordTask(writing, body, name, open);
  return [...closed, ...records.map((exit) => ({ ...exit, finish: null }))];
}

function emitNext(
  writing: Writing,
  body: Place,
  step: LoopStep,
  head: string,
  index: string,
  last: string,
  ends: readonly Exit[],
): { readonly name: string; readonly broken: readonly Exit[] } {
  const name = writing.names.helper(step.path, 'next');
  const arrival = arrive(ends, name);
  const sources = (member: Step) => recordOf(body, member);
  const assign = {
    [index]: expression(`$${index} + 1`),
    [last]: outputsTemplate(step.body, sources),
  };
  const classes = classesThatMayFail(step.body, arrivalOf(ends).known, sources);
  if (classes === null) {
    addState(body, name, { Type: 'Pass', Assign: assign, Output: {}, Next: head });
    return { name, broken: [] };
  }
  const broken = { Condition: expression(`'F' in ${classes}`), Next: '' };
  const choice = addState(body, name, {
    Type: 'Choice',
    Choices: [broken],
    Assign: assign,
    Default: head,
  });
  writing.hints.set(choice, { happy: head });
  return { name, broken: [viaRule(writing, choice, broken, arrival, false)] };
}

function failedLoop(
  writing: Writing,
  place: Place,
  step: LoopStep,
  suffix: string,
  error: StepError,
  ways: readonly Exit[],
): Exit[] {
  if (ways.length === 0) return [];
  const name = writing.names.helper(step.path, suffix);
  const arrival = arrive(ways, name);
  const state = addState(place, name, { Type: 'Pass' });
  const k = step.continueOnFailure ? 'S' : 'F';
  const source = plainSource(k, { status: 'FAILED', error: { ...error }, attempts: 1 });
  return [leaving(place, state, new Map([[step, source]]), after(arrival, step, CLASS[k], false))];
}
