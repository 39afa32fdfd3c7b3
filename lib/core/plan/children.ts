import type { DraftWorkflow } from '#core/dsl/draft.ts';
import { LIMITS } from '#core/dsl/limits.ts';
import type { Problems } from '#core/dsl/problems.ts';
import { isJsonObject, pointerTo } from '#core/json.ts';
import { type OutlineScope, outlineSteps } from '#core/plan/outline.ts';
import { allSteps, type Program, type Template } from '#core/plan/program.ts';

/** Ids of the workflows that a stored one starts (its latest version); null: it is not stored. */
export type StoredChildren = (workflowId: string) => readonly string[] | null;

/** Workflows looked at for one definition: a wall against webs of children, not a limit of use. */
const VISITS = 2_000;

/** Reports E_SUB_RECURSION: a child that leads back here, or a line of children that is too long. */
export function checkChildren(
  draft: DraftWorkflow,
  root: OutlineScope,
  childrenOf: StoredChildren | null,
  problems: Problems,
): void {
  const self = draft.fields.workflow_id;
  if (self === undefined) return;
  for (const step of outlineSteps(root)) {
    const { draft: own } = step;
    const starts: [unknown, string][] = [];
    if (own.type === 'sub_workflow') {
      starts.push([own.config.workflow_id, pointerTo(own.pointer, 'config', 'workflow_id')]);
    }
    if (own.compensate?.type === 'sub_workflow') {
      starts.push([
        own.compensate.config.workflow_id,
        pointerTo(own.compensate.pointer, 'workflow_id'),
      ]);
    }
    for (const [child, pointer] of starts) {
      if (typeof child !== 'string' || child.includes('{%')) continue;
      const line = lineBack(child, self, childrenOf ?? (() => null));
      if (line === null) continue;
      const recursive = line.at(-1) === self;
      problems.add({
        code: 'E_SUB_RECURSION',
        pointer,
        message: recursive
          ? `the workflow starts itself: ${[self, ...line].join(' -> ')}`
          : `children nest ${line.length} deep: ${[self, ...line].join(' -> ')}`,
        given: child,
        allowed: `children that do not lead back here, at most ${LIMITS.subWorkflowDepth} deep`,
      });
    }
  }
}

/** A line of children from `child` to `self`, or one that is longer than allowed; null: neither. */
function lineBack(child: string, self: string, childrenOf: StoredChildren): string[] | null {
  let visits = 0;
  // The depth at which a workflow was seen first; seen again less deep it has to be looked at again.
  const seen = new Map<string, number>();
  const stack: string[][] = [[child]];
  for (let line = stack.pop(); line !== undefined && visits < VISITS; line = stack.pop()) {
    visits += 1;
    const last = line.at(-1) ?? '';
    if (last === self || line.length > LIMITS.subWorkflowDepth) return line;
    const depth = seen.get(last);
    if (depth !== undefined && depth >= line.length) continue;
    seen.set(last, line.length);
    for (const next of childrenOf(last) ?? []) stack.push([...line, next]);
  }
  return null;
}

/** Ids of the workflows that a program starts, as far as they are fixed: what `childrenOf` answers. */
export function childWorkflowIds(program: Program): readonly string[] {
  const ids = new Set<string>();
  for (const step of allSteps(program.root)) {
    const configs: Template[] = [];
    if (step.type === 'sub_workflow') configs.push(step.config);
    if (step.compensate?.type === 'sub_workflow') configs.push(step.compensate.config);
    for (const config of configs) {
      const id = fixedMember(config, 'workflow_id');
      if (id !== null) ids.add(id);
    }
  }
  return [...ids].sort();
}

function fixedMember(template: Template, name: string): string | null {
  if (template.kind === 'literal') {
    const value = isJsonObject(template.value) ? template.value[name] : undefined;
    return typeof value === 'string' ? value : null;
  }
  if (template.kind !== 'object') return null;
  const member = template.members.find(([key]) => key === name)?.[1];
  return member?.kind === 'literal' && typeof member.value === 'string' ? member.value : null;
}
