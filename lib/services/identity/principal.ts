import type { Mode } from '#ports/execution-store.ts';

/** Who calls, as the verified credential says, and nothing that the request says itself. */
export interface Principal {
  readonly tenant: string;
  readonly mode: Mode;
  /** `key:<key id>` or `callback`; users come with the identity service. */
  readonly subject: string;
  /** Scopes; see contract/permissions.ts. Empty: nothing is allowed. */
  readonly permissions: readonly string[];
}
