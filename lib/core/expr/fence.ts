import type { AstNode, AstStage } from '#core/expr/ast.ts';
import { operandsOf, pairsOf } from '#core/expr/ast.ts';
import { hyphenatedStep, quoted } from '#core/expr/hints.ts';
import { DIALECT_LIMITS } from '#core/expr/limits.ts';
import type { ReadableName, StepField } from '#core/expr/names.ts';
import {
  BANNED_FUNCTIONS,
  FUNCTIONS,
  isReadableName,
  isStepField,
  nearest,
  STEP_FIELDS,
  VISIBLE_NAMES,
} from '#core/expr/names.ts';

// The fence: walks the tree of an expression once, refuses what the portable language does not
// have, and notes what the expression reads.
//
// F1 A function cannot reach its own binding: `:=` never gives a visible name a second meaning, and
//    a name is visible only after its binding. So no recursion by name, direct or mutual. Recursion
//    by passing a function to itself is a matter of types; the limits of the evaluator end it.
// F2 `$steps` occurs only as `$steps.<literal id>`, so what an expression reads is known before it
//    runs.
// F3 Nothing reads a context where there is none: names, `$`, `*` and `**` stand behind a path.

export interface FenceProblem {
  readonly code:
    | 'E_EXPR_FENCE'
    | 'E_EXPR_TOPLEVEL'
    | 'E_EXPR_BANNED_FN'
    | 'E_UNKNOWN_VAR'
    | 'E_STEPS_DYNAMIC';
  readonly message: string;
  readonly position: number | null;
  readonly given: string;
  readonly allowed: string;
}

export interface Reading {
  readonly problems: FenceProblem[];
  readonly stepFields: Map<string, Set<StepField>>;
  readonly names: Set<ReadableName>;
  nodes: number;
  depth: number;
}

interface Context {
  /** Whether `$` and bare names mean something here. */
  readonly focused: boolean;
  readonly frame: Frame;
  readonly depth: number;
  /** The name on the left of the `:=` that is being read. */
  readonly binding: string | null;
}

interface Frame {
  readonly outer: Frame | null;
  readonly names: Set<string>;
}

const LIMITS = DIALECT_LIMITS.portable;

/** Reads a whole tree. Stops at the limits; every other problem is collected. */
export function readTree(ast: AstNode): Reading {
  const reading: Reading = {
    problems: [],
    stepFields: new Map(),
    names: new Set(),
    nodes: 0,
    depth: 0,
  };
  new Walk(reading).visit(ast, { focused: false, frame: frameIn(null), depth: 1, binding: null });
  return reading;
}

function frameIn(outer: Frame | null): Frame {
  return { outer, names: new Set() };
}

class Walk {
  private readonly reading: Reading;
  private overLimit = false;

  constructor(reading: Reading) {
    this.reading = reading;
  }

  visit(node: AstNode, context: Context): void {
    if (node.thunk === true && node.body !== undefined) {
      this.visit(node.body, context); // jsonata's own wrapping of a tail call
      return;
    }
    if (!this.enter(node, context)) return;
    this.visitKind(node, { ...context, depth: context.depth + 1 });
    const behind: Context = { ...context, focused: true, depth: context.depth + 1 };
    if (node.type !== 'path') this.visitStages(node.predicate ?? [], behind);
    if (node.type !== 'path') this.visitPairs(node.group?.lhs ?? [], behind);
  }

  private enter(node: AstNode, context: Context): boolean {
    if (this.overLimit) return false;
    this.reading.nodes += 1;
    this.reading.depth = Math.max(this.reading.depth, context.depth);
    if (context.depth > LIMITS.astDepth) {
      this.overLimit = true;
      this.report('E_EXPR_FENCE', node, `nests deeper than ${LIMITS.astDepth} levels`, {
        allowed: 'compute parts of it in a transform step before',
      });
    } else if (this.reading.nodes > LIMITS.astNodes) {
      this.overLimit = true;
      this.report('E_EXPR_FENCE', node, `has more than ${LIMITS.astNodes} parts`, {
        allowed: 'compute parts of it in a transform step before',
      });
    }
    return !this.overLimit;
  }

  private visitKind(node: AstNode, context: Context): void {
    switch (node.type) {
      case 'path':
        this.visitPath(node, context);
        return;
      case 'variable':
        this.visitVariable(node, context);
        return;
      case 'name':
        if (!context.focused) this.bareName(node, context);
        return;
      case 'wildcard':
      case 'descendant':
        if (!context.focused) {
          this.report('E_EXPR_TOPLEVEL', node, `'${String(node.value)}' at the top level`, {
            allowed: `put it behind a name, as in '$input.${String(node.value)}'`,
          });
        }
        return;
      case 'parent':
        this.report('E_EXPR_FENCE', node, "the parent operator '%'", {
          allowed: "bind the outer item first: '$input.orders@$o.items.{...}'",
        });
        return;
      case 'regex':
        this.report('E_EXPR_FENCE', node, 'a regular expression', {
          allowed: '$contains, $split and $replace with plain text',
        });
        return;
      case 'binary':
        this.visitBinary(node, context);
        return;
      case 'apply': {
        const operands = operandsOf(node) ?? [];
        for (const operand of operands) this.visit(operand, context);
        return;
      }
      case 'unary':
        if (node.expression !== undefined) this.visit(node.expression, context);
        for (const item of node.expressions ?? []) this.visit(item, context);
        this.visitPairs(pairsOf(node), context);
        return;
      case 'condition':
        for (const part of [node.condition, node.then, node.else]) {
          if (part !== undefined) this.visit(part, context);
        }
        return;
      case 'block': {
        const inner = { ...context, frame: frameIn(context.frame) };
        for (const part of node.expressions ?? []) this.visit(part, inner);
        return;
      }
      case 'bind':
        this.visitBind(node, context);
        return;
      case 'lambda':
        this.visitLambda(node, context);
        return;
      case 'function':
      case 'partial':
        if (node.procedure !== undefined) this.visitProcedure(node.procedure, context);
        for (const argument of node.arguments ?? []) this.visit(argument, context);
        return;
      case 'transform': {
        const focused = { ...context, focused: true };
        for (const part of [node.pattern, node.update, node.delete]) {
          if (part !== undefined) this.visit(part, focused);
        }
        return;
      }
      case 'sort':
        for (const term of node.terms ?? []) {
          this.visit(term.expression, { ...context, focused: true });
        }
        return;
      case 'string':
      case 'number':
      case 'value':
      case 'operator': // the '?' of a partial application
        return;
      default:
        this.report('E_EXPR_FENCE', node, `'${node.type}' is not in the language`, {
          allowed: 'JSONata 2.0.6',
        });
        return;
    }
  }

  private visitPath(node: AstNode, context: Context): void {
    const steps = node.steps ?? [];
    const inner = { ...context, frame: frameIn(context.frame) };
    steps.forEach((step, i) => {
      const here = i === 0 ? inner : { ...inner, focused: true };
      if (step.type === 'variable' && step.value === 'steps') {
        if (this.enter(step, here)) this.readStep(step, steps.slice(i + 1), here);
      } else this.visit(step, here);
      const next = steps[i + 1];
      if (step.type === 'variable') this.checkMember(step, next);
      for (const name of [step.focus, step.index]) {
        if (name !== undefined) this.introduce(name, step, inner, 'parameter');
      }
      const behind = { ...inner, focused: true, depth: inner.depth + 1 };
      this.visitStages(step.stages ?? [], behind);
    });
    this.visitPairs(node.group?.lhs ?? [], { ...inner, focused: true });
  }

  private visitStages(stages: readonly AstStage[], context: Context): void {
    for (const stage of stages) {
      if (stage.expr !== undefined) this.visit(stage.expr, context);
      if (stage.type === 'index' && stage.value !== undefined) context.frame.names.add(stage.value);
    }
  }

  private visitPairs(pairs: readonly [AstNode, AstNode][], context: Context): void {
    for (const [key, value] of pairs) {
      this.visit(key, context);
      this.visit(value, context);
    }
  }

  private visitBinary(node: AstNode, context: Context): void {
    const hyphenated = hyphenatedStep(node);
    if (hyphenated !== null) {
      this.report('E_EXPR_TOPLEVEL', node, `'${hyphenated.given}' reads as a subtraction`, {
        given: hyphenated.given,
        allowed: `did you mean ${hyphenated.meant}`,
      });
      return;
    }
    for (const operand of operandsOf(node) ?? []) this.visit(operand, context);
  }

  private visitVariable(node: AstNode, context: Context): void {
    const name = String(node.value);
    if (name === '') {
      if (!context.focused) {
        this.report('E_EXPR_TOPLEVEL', node, "'$' at the top level", { allowed: "'$input'" });
      }
      return;
    }
    if (name === '$') {
      this.report('E_EXPR_TOPLEVEL', node, "'$$'", { allowed: "'$input'" });
      return;
    }
    if (name === 'steps') {
      this.report('E_STEPS_DYNAMIC', node, '$steps is not a value of its own', {
        allowed: '$steps.<id of a step>, with backticks around an id that has hyphens',
      });
      return;
    }
    this.readName(name, node, context);
  }

  private readName(name: string, node: AstNode, context: Context): void {
    if (isLocal(name, context.frame)) return;
    if (name === context.binding) {
      this.report('E_EXPR_FENCE', node, `'$${name}' refers to itself`, {
        allowed: '$map, $filter, $reduce or a loop step',
      });
      return;
    }
    if (isReadableName(name)) {
      this.reading.names.add(name);
      return;
    }
    const banned = Object.hasOwn(BANNED_FUNCTIONS, name) ? BANNED_FUNCTIONS[name] : undefined;
    if (banned !== undefined) {
      this.report('E_EXPR_BANNED_FN', node, `'$${name}' is not in the language`, {
        allowed: banned,
      });
      return;
    }
    if (FUNCTIONS.has(name)) return;
    const candidates = [...Object.keys(VISIBLE_NAMES), ...localNames(context.frame), ...FUNCTIONS];
    const close = nearest(name, candidates);
    this.report('E_UNKNOWN_VAR', node, `'$${name}' is not known here`, {
      allowed:
        close === null
          ? `a name bound with ':=', a function, or one of ${readableNames()}`
          : `did you mean '$${close}'`,
    });
  }

  private visitProcedure(procedure: AstNode, context: Context): void {
    const [only] = procedure.type === 'path' ? (procedure.steps ?? []) : [];
    if (only?.type === 'name' && procedure.steps?.length === 1) {
      const name = String(only.value);
      const close = FUNCTIONS.has(name) ? name : nearest(name, FUNCTIONS);
      this.report('E_EXPR_TOPLEVEL', only, `'${name}(' calls no function`, {
        allowed: close === null ? "functions begin with '$'" : `did you mean '$${close}('`,
      });
      return;
    }
    this.visit(procedure, context);
  }

  /** `$steps.<id>` and the field behind it; `rest` is the path after `$steps`. */
  private readStep(node: AstNode, rest: readonly AstNode[], context: Context): void {
    const [id, field] = rest;
    if (id?.type !== 'name' || node.predicate !== undefined || node.stages !== undefined) {
      this.report('E_STEPS_DYNAMIC', node, '$steps is read with a computed id', {
        allowed: '$steps.<id of a step>, with backticks around an id that has hyphens',
      });
      return;
    }
    if (isLocal('steps', context.frame)) return; // refused where it was declared
    const fields = this.reading.stepFields.get(String(id.value)) ?? new Set<StepField>();
    this.reading.stepFields.set(String(id.value), fields);
    this.reading.names.add('steps');
    if (field?.type !== 'name' || id.stages !== undefined) {
      for (const name of STEP_FIELDS) fields.add(name);
      return;
    }
    const name = String(field.value);
    if (isStepField(name)) fields.add(name);
    else this.unknownMember(field, `$steps.${String(id.value)}`, name, STEP_FIELDS);
  }

  private checkMember(variable: AstNode, next: AstNode | undefined): void {
    const name = String(variable.value);
    if (!isReadableName(name) || next?.type !== 'name') return;
    const members = VISIBLE_NAMES[name];
    const wanted = String(next.value);
    if (members !== null && !members.includes(wanted)) {
      this.unknownMember(next, `$${name}`, wanted, members);
    }
  }

  private unknownMember(
    node: AstNode,
    owner: string,
    name: string,
    members: readonly string[],
  ): void {
    const close = nearest(name, members);
    this.report('E_UNKNOWN_VAR', node, `${owner} has no '${name}'`, {
      allowed: close === null ? members.join(', ') : `did you mean '${close}'`,
    });
  }

  private visitBind(node: AstNode, context: Context): void {
    const operands = operandsOf(node);
    if (operands === null) return;
    const [left, right] = operands;
    const name = String(left.value);
    this.visit(right, { ...context, binding: name });
    this.introduce(name, left, context, 'binding');
  }

  private visitLambda(node: AstNode, context: Context): void {
    const inner = { ...context, frame: frameIn(context.frame) };
    for (const parameter of node.arguments ?? []) {
      this.introduce(String(parameter.value), parameter, inner, 'parameter');
    }
    if (node.body !== undefined) this.visit(node.body, inner);
  }

  /** F1: a parameter may hide an outer name, since it is there before the body is; `:=` may not. */
  private introduce(
    name: string,
    node: AstNode,
    context: Context,
    kind: 'binding' | 'parameter',
  ): void {
    if (isReadableName(name) || name === '' || name === '$' || name === 'states') {
      this.report('E_EXPR_FENCE', node, `'$${name}' cannot be given a value`, {
        allowed: 'a name of your own',
      });
    } else if (Object.hasOwn(BANNED_FUNCTIONS, name)) {
      this.report('E_EXPR_FENCE', node, `'$${name}' is the name of a function`, {
        allowed: 'a name of your own',
      });
    } else if (kind === 'binding' && FUNCTIONS.has(name)) {
      this.report('E_EXPR_FENCE', node, `'$${name}' is the name of a function`, {
        allowed: 'a name of your own',
      });
    } else if (kind === 'binding' && isLocal(name, context.frame)) {
      this.report('E_EXPR_FENCE', node, `'$${name}' is bound twice`, {
        allowed: 'a name is bound once; use another',
      });
    }
    context.frame.names.add(name);
  }

  private bareName(node: AstNode, context: Context): void {
    const name = String(node.value);
    const known = isReadableName(name) || FUNCTIONS.has(name) || isLocal(name, context.frame);
    this.report('E_EXPR_TOPLEVEL', node, `'${name}' without a '$' path before it`, {
      allowed: known ? `did you mean '$${name}'` : `did you mean '$input.${quoted(name)}'`,
    });
  }

  private report(
    code: FenceProblem['code'],
    node: AstNode,
    message: string,
    more: { readonly allowed: string; readonly given?: string },
  ): void {
    this.reading.problems.push({
      code,
      message,
      position: node.position ?? null,
      given: more.given ?? (node.type === 'variable' ? '$' : '') + String(node.value ?? node.type),
      allowed: more.allowed,
    });
  }
}

function isLocal(name: string, frame: Frame): boolean {
  for (let f: Frame | null = frame; f !== null; f = f.outer) if (f.names.has(name)) return true;
  return false;
}

function* localNames(frame: Frame): Generator<string> {
  for (let f: Frame | null = frame; f !== null; f = f.outer) yield* f.names;
}

function readableNames(): string {
  return Object.keys(VISIBLE_NAMES)
    .map((name) => `$${name}`)
    .join(', ');
}
