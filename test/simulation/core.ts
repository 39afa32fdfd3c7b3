import { apply } from '#core/execution/apply.ts';
import { decide } from '#core/execution/decide.ts';
import { outstanding } from '#core/execution/outstanding.ts';
import { restore, snapshot } from '#core/execution/snapshot.ts';

/** The seam at which planted bugs come in: what the simulated hosts and store use of the product. */
export interface Core {
  readonly apply: typeof apply;
  readonly decide: typeof decide;
  readonly outstanding: typeof outstanding;
  readonly restore: typeof restore;
  readonly snapshot: typeof snapshot;
  /** The store checks epoch and sequence on every append. */
  readonly fenced: boolean;
  /** A host does not start a command that it is already doing. */
  readonly dedupes: boolean;
}

export const REAL_CORE: Core = {
  apply,
  decide,
  outstanding,
  restore,
  snapshot,
  fenced: true,
  dedupes: true,
};
