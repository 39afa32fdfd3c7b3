import type { Runtime } from '#core/plan/program.ts';
import type { CallbackTokens } from '#ports/callback-tokens.ts';
import type { Clock } from '#ports/clock.ts';
import type { EngineControl } from '#ports/engine-control.ts';
import type { ExecutionAccess } from '#ports/execution-store.ts';
import type { Ids } from '#ports/ids.ts';
import type { Programs } from '#ports/programs.ts';
import type { RuntimeHints } from '#ports/runtime-hints.ts';
import type { Cursors } from '../shared/cursor.ts';
import type { Catalog } from '../workflows/catalog.ts';

export interface ExecutionDeps {
  readonly executions: ExecutionAccess;
  readonly catalog: Catalog;
  readonly programs: Programs;
  readonly hints: RuntimeHints;
  /** Absent or null: engines elsewhere cannot be asked, so what they must do is stored here. */
  readonly control?: EngineControl | null;
  /** Those that this stack has. */
  readonly runtimes: ReadonlySet<Runtime>;
  readonly tokens: Pick<CallbackTokens, 'hashOf'>;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly cursors: Cursors;
}
