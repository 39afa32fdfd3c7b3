/** What a definition must hold as a whole: targets, ends, names, and the scopes of variables. */
import { pointerTo } from '#core/json.ts';
import type { Scope, State } from './machine.ts';
import type { Reader } from './read-fields.ts';

export function checkMachine(root: Scope, reader: Reader): void {
  checkScope(root, reader, new Map(), new Set());
}

/**
 * `names` are state names seen anywhere before, with where; `outer` the variables which enclosing
 * scopes assign. AWS forbids shadowing: an inner scope may not assign a name of an outer one.
 */
function checkScope(
  scope: Scope,
  reader: Reader,
  names: Map<string, string>,
  outer: ReadonlySet<string>,
): void {
  const at = (name: string, ...rest: (string | number)[]): string =>
    pointerTo(scope.pointer, 'States', name, ...rest);
  const target = (name: string, pointer: string): void => {
    if (!scope.states.has(name)) {
      reader.problem(
        'MISSING_TRANSITION_TARGET',
        pointer,
        `there is no state '${name}' in this scope`,
        name,
        [...scope.states.keys()].slice(0, 20).join(', '),
      );
    }
  };
  target(scope.startAt, pointerTo(scope.pointer, 'StartAt'));
  const assigned = new Set(outer);
  for (const [name, state] of scope.states) {
    for (const { to, field } of transitions(state)) target(to, at(name, ...field));
    for (const { variable, field } of assignments(state)) {
      if (outer.has(variable)) {
        reader.problem(
          'VARIABLE_IN_OUTER_SCOPE',
          at(name, ...field, variable),
          `variable '${variable}' is assigned in an outer scope and may not be assigned here`,
          variable,
        );
      }
      assigned.add(variable);
    }
    const seen = names.get(name);
    if (seen !== undefined) {
      reader.problem(
        'DUPLICATE_STATE_NAME',
        at(name),
        `a state of this name is also at ${seen}; names are unique in the whole machine`,
        name,
      );
    } else names.set(name, at(name));
  }
  // A state that could not be read may lead anywhere, so what it would reach is not judged.
  const whole = !reader.broken.has(scope.pointer);
  for (const name of whole ? unreachable(scope) : []) {
    reader.problem('MISSING_TRANSITION_TARGET', at(name), `no state leads to '${name}'`, name);
  }
  if (whole && ![...scope.states.values()].some(isTerminal)) {
    reader.problem(
      'MISSING_END_STATE',
      pointerTo(scope.pointer, 'States'),
      "no state ends this scope; add 'End': true, a Succeed or a Fail",
    );
  }
  for (const state of scope.states.values()) {
    for (const inner of innerScopes(state)) checkScope(inner, reader, names, assigned);
  }
}

function unreachable(scope: Scope): string[] {
  const reached = new Set<string>();
  const todo = [scope.startAt];
  for (let name = todo.pop(); name !== undefined; name = todo.pop()) {
    const state = scope.states.get(name);
    if (state === undefined || reached.has(name)) continue;
    reached.add(name);
    todo.push(...transitions(state).map(({ to }) => to));
  }
  return [...scope.states.keys()].filter((name) => !reached.has(name));
}

function transitions(state: State): { to: string; field: (string | number)[] }[] {
  if (state.type === 'Succeed' || state.type === 'Fail') return [];
  if (state.type === 'Choice') {
    const rules = state.rules.map((rule, index) => ({
      to: rule.next,
      field: ['Choices', index, 'Next'],
    }));
    return state.otherwise === null
      ? rules
      : [...rules, { to: state.otherwise.next, field: ['Default'] }];
  }
  const out: { to: string; field: (string | number)[] }[] =
    state.next === null ? [] : [{ to: state.next, field: ['Next'] }];
  if (state.type === 'Pass' || state.type === 'Wait') return out;
  return [
    ...out,
    ...state.catch.map(({ next }, index) => ({ to: next, field: ['Catch', index, 'Next'] })),
  ];
}

function assignments(state: State): { variable: string; field: (string | number)[] }[] {
  if (state.type === 'Succeed' || state.type === 'Fail') return [];
  const of = (
    assign: { readonly json: unknown } | null,
    ...field: (string | number)[]
  ): { variable: string; field: (string | number)[] }[] =>
    Object.keys((assign?.json ?? {}) as object).map((variable) => ({ variable, field }));
  if (state.type === 'Choice') {
    return [
      ...state.rules.flatMap((rule, index) => of(rule.assign, 'Choices', index, 'Assign')),
      ...of(state.otherwise?.assign ?? null, 'Assign'),
    ];
  }
  const own = of(state.assign, 'Assign');
  if (state.type === 'Pass' || state.type === 'Wait') return own;
  return [
    ...own,
    ...state.catch.flatMap((catcher, index) => of(catcher.assign, 'Catch', index, 'Assign')),
  ];
}

function innerScopes(state: State): readonly Scope[] {
  if (state.type === 'Parallel') return state.branches;
  return state.type === 'Map' ? [state.processor] : [];
}

function isTerminal(state: State): boolean {
  if (state.type === 'Succeed' || state.type === 'Fail') return true;
  return state.type !== 'Choice' && state.next === null;
}
