import { describe, expect, it } from 'vitest';
import { checkMachine } from '#core/asl/check-machine.ts';
import type { Chart, State, TaskState } from '#core/asl/types.ts';
import { call, steps } from './support.ts';

const pass = (more: object): State => ({ Type: 'Pass', End: true, ...more }) as State;
const task = (more: object): State =>
  ({ Type: 'Task', Resource: 'r', Arguments: {}, End: true, ...more }) as TaskState;
const chart = (States: { [name: string]: State }): Chart => ({
  StartAt: Object.keys(States)[0] ?? '',
  States,
});
const found = (States: { [name: string]: State }): string =>
  checkMachine(chart(States))
    .map(({ message }) => message)
    .join('\n');
const around = (...branches: Chart[]): State =>
  ({ Type: 'Parallel', Branches: branches, End: true }) as State;

describe('our own checks of a machine', () => {
  it('find nothing in what we write', () => {
    expect(checkMachine(steps([call('a'), call('b', { depends_on: ['a'] })]).machine)).toEqual([]);
  });

  it('see a variable that nothing assigned', () => {
    expect(found({ a: pass({ Output: '{% $x %}' }) })).toContain("'$x' may not have been assigned");
  });

  it('see a variable that one of two ways does not assign', () => {
    const choice = {
      Type: 'Choice',
      Choices: [{ Condition: '{% true %}', Assign: { x: 1 }, Next: 'b' }],
      Default: 'b',
    } as State;
    expect(found({ a: choice, b: pass({ Output: '{% $x %}' }) })).toContain("'$x' may not");
    const both = { ...choice, Assign: { x: 2 } } as State;
    expect(found({ a: both, b: pass({ Output: '{% $x %}' }) })).toBe('');
  });

  it('see an output that reads what its own state assigns', () => {
    expect(found({ a: pass({ Assign: { x: 1 }, Output: '{% $x %}' }) })).toContain("'$x' may not");
  });

  it('see a name that is assigned inside and outside', () => {
    const inner = chart({ i: pass({ End: undefined, Assign: { x: 1 }, Next: 'j' }), j: pass({}) });
    const text = found({
      a: pass({ End: undefined, Assign: { x: 1 }, Next: 'p' }),
      p: around(inner),
    });
    expect(text).toContain("'$x' is assigned inside and outside");
  });

  it('see what an inner chart hands to the outer one without saying so', () => {
    const inner = chart({ i: pass({ End: undefined, Assign: { x: 1 }, Next: 'j' }), j: pass({}) });
    const p = { ...around(inner), Next: 'b' } as State;
    delete (p as { End?: true }).End;
    expect(found({ p, b: pass({ Output: '{% $x %}' }) })).toContain("'$x' may not");
  });

  it('see two states of one name, also in different charts', () => {
    expect(found({ p: around(chart({ a: pass({}) }), chart({ a: pass({}) })) })).toContain(
      "two states are called 'a'",
    );
  });

  it('see names that are too long', () => {
    expect(found({ ['x'.repeat(81)]: pass({}) })).toContain('cannot be the name');
  });

  it('see ways to nowhere, states out of reach and charts without an end', () => {
    expect(found({ a: pass({ End: undefined, Next: 'z' }) })).toContain("leads to 'z'");
    expect(found({ a: pass({}), b: pass({}) })).toContain("'b' is not reachable");
    expect(found({ a: pass({ End: undefined, Next: 'a' }) })).toContain('has no end');
    expect(found({ a: pass({ Next: 'a' }) })).toContain('either Next or End');
  });

  it('see States.ALL before others or beside them, and a heartbeat that is too long', () => {
    const all = { ErrorEquals: ['States.ALL'], MaxAttempts: 1 };
    const other = { ErrorEquals: ['X'], MaxAttempts: 1 };
    expect(found({ a: task({ Retry: [all, other] }) })).toContain('alone and last');
    expect(found({ a: task({ Retry: [{ ErrorEquals: ['X', 'States.ALL'] }] }) })).toContain(
      'alone',
    );
    expect(found({ a: task({ Retry: [other, all] }) })).toBe('');
    expect(found({ a: task({ TimeoutSeconds: 5, HeartbeatSeconds: 5 }) })).toContain('heartbeat');
  });

  it.each([
    ['{% $states.input ?? 1 %}', '??'],
    ['{% $states.input ?: 1 %}', '?:'],
    ['{% /x/ %}', 'regex'],
    ['{% $eval("1") %}', '$eval'],
    ['{% $now() %}', '$now'],
    ['{% $states.result %}', '$states.result is not there'],
    ['{% $states.errorOutput %}', '$states.errorOutput is not there'],
    ['{% 1 %} ', 'after the expression'],
  ])('refuse %s', (Output, said) => {
    expect(found({ a: pass({ Output }) })).toContain(said);
  });

  it('allow results after a task and errors in a Catcher', () => {
    const Catch = [
      { ErrorEquals: ['States.ALL'], Output: '{% $states.errorOutput.Error %}', Next: 'b' },
    ];
    expect(found({ a: task({ Output: '{% $states.result %}', Catch }), b: pass({}) })).toBe('');
    const before = { a: task({ Arguments: { x: '{% $states.result %}' } }) };
    expect(found(before)).toContain('$states.result is not there');
  });

  it('know what an expression binds itself', () => {
    const Output =
      '{% ($y := 1; $map([1], function($v, $i) { $v + $i + $y }) & \'a $z\' & "$q" & `$w`) %}';
    expect(found({ a: pass({ Output }) })).toBe('');
  });
});
