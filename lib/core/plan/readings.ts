import { type Problems, quoted, shown } from '#core/dsl/problems.ts';
import { didYouMean } from '#core/dsl/validate.ts';
import { type ParsedExpression, parseExpression } from '#core/expr/parse.ts';
import { type SplitTemplate, splitTemplate } from '#core/expr/template.ts';
import { isJsonObject, type Json, pointerTo } from '#core/json.ts';
import { has } from '#core/plan/graph.ts';
import { type OutlineScope, type OutlineStep, outlineSteps } from '#core/plan/outline.ts';
import type { Expression, Template, VisibleName } from '#core/plan/program.ts';

/** From where an expression looks, and what it sees besides `$input`, `$execution` and `$steps`. */
export interface View {
  /** The step it belongs to; null for the output of the workflow, which sees all top-level steps. */
  readonly step: OutlineStep | null;
  /** `compensate` and what it undoes: the step's own record is there. */
  readonly self?: boolean;
  /** `$result`: only where a raw result is shaped. */
  readonly result?: boolean;
  /** `$loop` of the step's own test. */
  readonly loop?: boolean;
}

/** One step's record, read by something. `by` is null for the workflow's output. */
export interface Use {
  readonly target: OutlineStep;
  readonly by: OutlineStep | null;
  readonly output: boolean;
}

/** Parses expressions and templates, and checks what they read from where they stand (rule 11). */
export class Readings {
  readonly uses: Use[] = [];
  /** Loops whose `$loop` somebody reads. */
  readonly loopsRead = new Set<OutlineStep>();
  readonly #root: OutlineScope;
  readonly #problems: Problems;
  readonly #warnings: Problems;

  constructor(root: OutlineScope, problems: Problems, warnings: Problems) {
    this.#root = root;
    this.#problems = problems;
    this.#warnings = warnings;
  }

  /** A field that is one expression. Null when it is missing or wrong. */
  expression(text: unknown, pointer: string, view: View): Expression | null {
    if (typeof text !== 'string') return null;
    const split = splitTemplate(text, pointer);
    if (split.kind === 'problem') {
      this.#problems.add(split.problem);
      return null;
    }
    if (split.kind === 'expression') return this.#parse(split.source, pointer, view);
    this.#problems.add({
      code: 'E_SCHEMA',
      pointer,
      message: 'this has to be one expression, without text around it',
      given: shown(text),
      allowed: "'{% ... %}'",
    });
    if (split.kind === 'parts') this.#parts(split, pointer, view);
    return null;
  }

  /** Any JSON. What holds no expression is one literal, however large. */
  template(value: Json, pointer: string, view: View): Template {
    if (typeof value === 'string') return this.#text(value, pointer, view);
    if (Array.isArray(value)) {
      const items = value.map((item: Json, i) => this.template(item, pointerTo(pointer, i), view));
      return items.every(({ kind }) => kind === 'literal')
        ? { kind: 'literal', value }
        : { kind: 'array', items };
    }
    if (!isJsonObject(value)) return { kind: 'literal', value };
    const members = Object.keys(value).map((key): [string, Template] => {
      const at = pointerTo(pointer, key);
      if (key.includes('{%') || key.includes('%}')) {
        this.#problems.add({
          code: 'E_EXPR_PARSE',
          pointer: at,
          message: 'the name of a member cannot hold an expression',
          given: shown(key),
          allowed: 'fixed names; build objects with other names in one expression',
        });
      }
      return [key, this.template(value[key] as Json, at, view)];
    });
    return members.every(([, { kind }]) => kind === 'literal')
      ? { kind: 'literal', value }
      : { kind: 'object', members };
  }

  #text(text: string, pointer: string, view: View): Template {
    const split = splitTemplate(text, pointer);
    switch (split.kind) {
      case 'text':
        return { kind: 'literal', value: split.text };
      case 'problem':
        this.#problems.add(split.problem);
        return { kind: 'literal', value: text };
      case 'expression': {
        const expression = this.#parse(split.source, pointer, view);
        return expression === null
          ? { kind: 'literal', value: text }
          : { kind: 'expression', expression };
      }
      case 'parts':
        return { kind: 'text', parts: this.#parts(split, pointer, view) };
    }
  }

  #parts(
    split: Extract<SplitTemplate, { kind: 'parts' }>,
    pointer: string,
    view: View,
  ): (string | Expression)[] {
    return split.parts.map((part) =>
      part.kind === 'text' ? part.text : (this.#parse(part.source, pointer, view) ?? part.source),
    );
  }

  #parse(source: string, pointer: string, view: View): Expression | null {
    const parsed = parseExpression(source, pointer);
    if (!parsed.ok) {
      this.#problems.add(...parsed.problems);
      return null;
    }
    const { expression } = parsed;
    for (const name of expression.names) this.#checkName(name, pointer, view);
    for (const id of expression.steps) this.#checkStep(id, expression, pointer, view);
    this.#warnTraps(expression, pointer);
    const { steps, names, simple, total, depth } = expression;
    return { source, steps, names, simple, total, depth };
  }

  #checkName(name: VisibleName, pointer: string, view: View): void {
    if (name === 'loop') {
      const loop = view.loop === true ? view.step : enclosing(view.step, 'loop');
      if (loop !== null) this.loopsRead.add(loop);
      if (loop !== null) return;
    }
    if (name === 'input' || name === 'execution') return;
    if ((name === 'item' || name === 'index') && enclosing(view.step, 'for_each') !== null) return;
    if (name === 'result' && view.result === true) return;
    const where: { readonly [N in VisibleName]: string } = {
      input: 'everywhere',
      execution: 'everywhere',
      item: "inside the 'steps' of a for_each",
      index: "inside the 'steps' of a for_each",
      loop: "inside the 'steps' of a loop, and in its 'while' or 'until'",
      result: "in 'result'",
    };
    this.#problems.add({
      code: 'E_UNKNOWN_VAR',
      pointer,
      message: `$${name} means nothing here`,
      given: `$${name}`,
      allowed: `$${name} ${where[name]}`,
    });
  }

  #checkStep(id: string, expression: ParsedExpression, pointer: string, view: View): void {
    const target = this.#visible(id, pointer, view);
    if (target === null) return;
    const output = expression.stepFields[id]?.includes('output') ?? true;
    this.uses.push({ target, by: view.step, output });
  }

  /** Innermost list first: an id hides the same id further out. */
  #visible(id: string, pointer: string, view: View): OutlineStep | null {
    if (view.step === null) {
      const step = this.#root.byId.get(id);
      if (step === undefined) this.#unseen(id, pointer, view);
      return step ?? null;
    }
    for (let at: OutlineStep | null = view.step; at !== null; at = at.scope.holder) {
      const target = at.scope.byId.get(id);
      if (target === undefined) continue;
      if (target === at) {
        if (at === view.step && view.self === true) return target;
        this.#problems.add({
          code: 'E_REF_NOT_ANCESTOR',
          pointer,
          message:
            at === view.step
              ? `step '${id}' reads its own record before it has one`
              : `'${id}' holds this step, and has no record before it ends`,
          given: `$steps.${id}`,
          allowed: "steps that come before; its own record only in 'compensate'",
        });
        return null;
      }
      if (has(at.scope.graph.ancestors[at.index] ?? new Uint32Array(), target.index)) return target;
      // In a cycle nothing comes before anything: the cycle is the problem, and it is reported.
      if (!at.scope.acyclic) return null;
      this.#problems.add({
        code: 'E_REF_NOT_ANCESTOR',
        pointer,
        message: `'${id}' does not come before '${at.id}', so it may not have a record yet`,
        given: `$steps.${id}`,
        allowed: `a step that '${at.id}' depends on, directly or through others; add '${id}' to its depends_on`,
      });
      return null;
    }
    this.#unseen(id, pointer, view);
    return null;
  }

  #unseen(id: string, pointer: string, view: View): void {
    for (const step of outlineSteps(this.#root)) {
      if (step.draft.id !== id || step.scope.holder === null) continue;
      const container = step.scope.holder;
      this.#problems.add({
        code: 'E_REF_BODY',
        pointer,
        message: `'${id}' is inside '${container.path}' and cannot be seen from here`,
        given: `$steps.${id}`,
        allowed: `the container's record: $steps.${container.id}.output`,
      });
      return;
    }
    const seen = this.#idsSeenFrom(view);
    this.#problems.add({
      code: 'E_REF_NOT_ANCESTOR',
      pointer,
      message: `there is no step '${id}'${didYouMean(id, seen)}`,
      given: `$steps.${id}`,
      allowed: seen.length === 0 ? 'no step comes before this one' : quoted(seen.slice(0, 20)),
    });
  }

  #idsSeenFrom(view: View): string[] {
    if (view.step === null) return [...this.#root.byId.keys()];
    const seen: string[] = [];
    for (let at: OutlineStep | null = view.step; at !== null; at = at.scope.holder) {
      const { graph, steps } = at.scope;
      const ancestors = graph.ancestors[at.index];
      if (ancestors === undefined) continue;
      for (const step of steps)
        if (step.id !== '' && has(ancestors, step.index)) seen.push(step.id);
    }
    return seen;
  }

  #warnTraps(expression: ParsedExpression, pointer: string): void {
    if (expression.mayBeUndefinedNotEqual) {
      this.#warnings.add({
        code: 'W_NOT_EQUAL_UNDEFINED',
        pointer,
        message: "'!=' is false when one side is missing, so a missing value counts as equal",
        given: shown(expression.source),
        allowed: '$not(a = b), which is true when a is missing',
      });
    }
    if (expression.unguardedComparison) {
      this.#warnings.add({
        code: 'W_COMPARE_UNGUARDED',
        pointer,
        message: 'the comparison fails when a side is missing or of another type',
        given: shown(expression.source),
        allowed: '$exists(a) and a < b, or $type(a) = "number" and a < b',
      });
    }
  }
}

/** The nearest container of this type around a step. */
export function enclosing(step: OutlineStep | null, type: 'for_each' | 'loop'): OutlineStep | null {
  for (let at = step?.scope.holder ?? null; at !== null; at = at.scope.holder) {
    if (at.draft.type === type) return at;
  }
  return null;
}
