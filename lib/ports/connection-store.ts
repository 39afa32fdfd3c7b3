import type { OperationSpec } from '#core/connections.ts';
import type { Connection, Operation } from './connections.ts';
import type { Mode, Page, PageRequest } from './execution-store.ts';

/**
 * The writing side of `Connections`. Revisions are what ETags are made of.
 *
 * It also knows every name that the value of a secret is stored under, from before it is stored until
 * after it is deleted: which of them a connection names changes together with the connection.
 */
export interface ConnectionStore {
  /** To be called before values are stored under these names. Those that no connection comes to name are deleted. */
  announceSecrets(
    of: Pick<ConnectionKey, 'tenant' | 'mode'>,
    keptAs: readonly string[],
    now: number,
  ): Promise<void>;
  /** @throws UNAVAILABLE when a secret of it has been deleted meanwhile: another try stores it anew. */
  create(
    key: ConnectionKey,
    connection: NewConnection,
    now: number,
  ): Promise<
    { readonly kind: 'created'; readonly record: ConnectionRecord } | { readonly kind: 'taken' }
  >;
  find(tenant: string, mode: Mode, name: string): Promise<ConnectionRecord | null>;
  list(tenant: string, mode: Mode, page: PageRequest): Promise<Page<ConnectionRecord>>;
  /** Only the connection whose `id` it is, and only at `revision`. @throws as `create` does */
  replace(
    key: ConnectionKey,
    connection: NewConnection,
    revision: number,
    now: number,
  ): Promise<Replaced<ConnectionRecord>>;
  /** `used`: it has operations. */
  remove(key: ConnectionKey, id: string, revision: number, now: number): Promise<Removed | 'used'>;

  createOperation(
    key: ConnectionKey,
    spec: OperationSpec,
    now: number,
  ): Promise<
    | { readonly kind: 'created'; readonly record: OperationRecord }
    | { readonly kind: 'taken' | 'no_connection' }
  >;
  /** `spec.connection` names the connection it belongs to. */
  findOperation(tenant: string, mode: Mode, name: string): Promise<OperationRecord | null>;
  listOperations(
    tenant: string,
    mode: Mode,
    connection: string,
    page: PageRequest,
  ): Promise<Page<OperationRecord>>;
  replaceOperation(
    key: ConnectionKey,
    spec: OperationSpec,
    revision: number | null,
    now: number,
  ): Promise<Replaced<OperationRecord>>;
  removeOperation(
    key: ConnectionKey,
    connection: string,
    revision: number | null,
  ): Promise<Removed>;
}

export interface ConnectionKey {
  readonly tenant: string;
  readonly mode: Mode;
  readonly name: string;
}

export type Removed = 'removed' | 'not_found' | 'changed';
export type Replaced<T> =
  | { readonly kind: 'replaced'; readonly record: T }
  | { readonly kind: 'not_found' | 'changed' };

export type NewConnection = Pick<Connection, 'id' | 'spec' | 'secrets'>;

export interface ConnectionRecord extends Connection {
  readonly createdAt: number;
  readonly updatedAt: number;
}

export interface OperationRecord extends Operation {
  readonly createdAt: number;
  readonly updatedAt: number;
}
