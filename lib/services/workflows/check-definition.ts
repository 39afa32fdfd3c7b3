import type { Problem } from '#core/errors.ts';
import { childWorkflowIds } from '#core/plan/children.ts';
import type { Program, Runtime } from '#core/plan/program.ts';
import { type ReportJson, reportJson } from '#core/report-json.ts';
import type { CheckedDocument } from '#ports/definition-checks.ts';
import type { ResolvedRuntime } from '#ports/workflow-store.ts';
import type { Principal } from '../identity/principal.ts';
import type { WorkflowDeps } from './deps.ts';

export type CheckedDefinition =
  | {
      readonly ok: true;
      readonly program: Program;
      readonly warnings: readonly Problem[];
      readonly report: ReportJson;
      readonly runtime: ResolvedRuntime;
    }
  | {
      readonly ok: false;
      readonly problems: readonly Problem[];
      readonly warnings: readonly Problem[];
    };

/** Rounds of children of children, and workflows read in all: walls, not limits of use. */
const MAX_ROUNDS = 8;
const MAX_READ = 200;

/**
 * Checks a document. The check is pure, so the stored workflows that its children lead to are read
 * first, breadth first; when there are none, nothing is read and it is checked once.
 */
export async function checkDefinition(
  deps: Pick<WorkflowDeps, 'store' | 'preferred' | 'checks'>,
  principal: Principal,
  document: unknown,
): Promise<CheckedDefinition> {
  const { preferred, checks } = deps;
  const { tenant } = principal;
  const alone = await checks.check({ tenant, document, preferred, children: null });
  if (!alone.ok) return alone;
  let wanted = [...childWorkflowIds(alone.program)];
  if (wanted.length === 0) return resolved(alone, preferred);
  const stored = new Map<string, readonly string[] | null>();
  for (let round = 0; round < MAX_ROUNDS && wanted.length > 0; round += 1) {
    const next = new Set<string>();
    for (const id of wanted) {
      if (stored.has(id) || stored.size >= MAX_READ) continue;
      const found = await deps.store.findVersion(tenant, principal.mode, id, null);
      const children = found === null ? null : childWorkflowIds(found.program);
      stored.set(id, children);
      for (const child of children ?? []) if (!stored.has(child)) next.add(child);
    }
    wanted = [...next];
  }
  const checked = await checks.check({ tenant, document, preferred, children: stored });
  return checked.ok ? resolved(checked, preferred) : checked;
}

function resolved(
  checked: Extract<CheckedDocument, { ok: true }>,
  preferred: Runtime,
): CheckedDefinition {
  const { program, warnings, report } = checked;
  const { obstacles, reason } = report.choice;
  return {
    ok: true,
    program,
    warnings,
    report: reportJson(report),
    runtime: {
      choice: program.runtime,
      auto: obstacles.length > 0 ? 'engine' : preferred,
      reason,
      stepFunctionsProblems: [...new Set(obstacles.map(({ code }) => code))],
    },
  };
}
