import type { Secret } from '#core/secret.ts';
import type { Mode } from './execution-store.ts';

/** Whose secret, and which: names are a tenant's own, per mode. */
export interface SecretKey {
  readonly tenant: string;
  readonly mode: Mode;
  readonly name: string;
}

/** Keeps values that only their receivers may see. Values never appear in logs, errors or results. */
export interface Secrets {
  /** Null: no such secret. */
  get(key: SecretKey): Promise<Secret | null>;
  /** Creates or replaces; durable when it resolves. */
  put(key: SecretKey, value: Secret): Promise<void>;
  /** Deleting what is not there is harmless. */
  delete(key: SecretKey): Promise<void>;
}
