import type { Stage } from './stages.ts';

/** What the platform promises when something is lost, in seconds; drills are held to it. */
export const OBJECTIVES = {
  /** Transactions that may be lost. */
  recoveryPointSeconds: 3_600,
  /** Until everything works again, verified. */
  recoveryTimeSeconds: 4 * 3_600,
} as const;

/** What clusters are called that a restore makes and removes again: nothing else may be removed. */
export function restoredPrefix(stage: Stage): string {
  return `cloudflow-${stage}-restored-`;
}
