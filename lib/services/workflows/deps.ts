import type { Runtime } from '#core/plan/program.ts';
import type { Clock } from '#ports/clock.ts';
import type { DefinitionChecks } from '#ports/definition-checks.ts';
import type { WorkflowStore } from '#ports/workflow-store.ts';
import type { Cursors } from '../shared/cursor.ts';
import type { Catalog } from './catalog.ts';

export interface WorkflowDeps {
  readonly store: WorkflowStore;
  readonly catalog: Catalog;
  readonly checks: DefinitionChecks;
  /** What `auto` means for a definition that both runtimes can run. */
  readonly preferred: Runtime;
  readonly clock: Clock;
  readonly cursors: Cursors;
}
