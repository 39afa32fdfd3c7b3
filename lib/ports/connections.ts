import type { ConnectionSpec, KeptSecrets, OperationSpec } from '#core/connections.ts';
import type { Mode } from './execution-store.ts';

/**
 * What tenants have registered. A name is unique per (tenant, mode): live steps see live connections
 * and test steps see test ones, so that a test key can never reach what live work reaches.
 */
export interface Connections {
  find(tenant: string, mode: Mode, name: string): Promise<Connection | null>;
  /** Operation names are unique per (tenant, mode), across connections. */
  findOperation(tenant: string, mode: Mode, name: string): Promise<Operation | null>;
}

export interface Connection {
  readonly name: string;
  /** Another one when a connection is deleted and made again under its name. */
  readonly id: string;
  /** Grows with every change: pools and caches opened for an older one are not used again. */
  readonly revision: number;
  readonly spec: ConnectionSpec;
  readonly secrets: KeptSecrets;
}

export interface Operation {
  readonly name: string;
  readonly revision: number;
  readonly spec: OperationSpec;
}
