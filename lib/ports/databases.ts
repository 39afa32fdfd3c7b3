import type { PostgresConnection } from '#core/connections.ts';
import type { Json } from '#core/json.ts';
import type { ParameterValue } from '#core/operations.ts';
import type { Secret } from '#core/secret.ts';
import type { Mode } from './execution-store.ts';

/** Runs registered statements on databases of tenants, behind the egress guard. Never rejects. */
export interface Databases {
  run(request: DatabaseRequest): Promise<DatabaseAnswer>;
  close(): Promise<void>;
}

export interface DatabaseRequest {
  readonly tenant: string;
  readonly mode: Mode;
  /** Id and revision of the connection: what a pool belongs to. */
  readonly connection: string;
  readonly revision: number;
  readonly spec: PostgresConnection;
  readonly login: { readonly username: string; readonly password: Secret };
  readonly access: 'read' | 'write';
  /** One statement with `$n` placeholders. */
  readonly text: string;
  readonly values: readonly ParameterValue[];
  /**
   * The same for every attempt of a step. Where the database hosts the marker table, a write with a
   * key that is recorded there answers the recorded result and does nothing.
   */
  readonly key: string;
  readonly maxRows: number;
  readonly maxBytes: number;
  /** Ends the statement from outside: its backend is cancelled, then terminated. */
  readonly signal: AbortSignal;
}

export type DatabaseAnswer =
  | { readonly ok: true; readonly result: DatabaseResult; readonly replayed: boolean }
  | { readonly ok: false; readonly reason: DatabaseFailure; readonly message: string };

/** `rows` is absent where the statement returns none by its nature. */
export type DatabaseResult = {
  readonly rows?: readonly { readonly [column: string]: Json }[];
  readonly row_count: number;
};

/**
 *  refused       the guard says no
 *  aborted       the signal ended it; a write without markers may still have happened
 *  unavailable   no connection, or it was lost
 *  login         name, password or database are not accepted
 *  denied        the login may not do this
 *  constraint    the data refuses it
 *  serialization it lost against another transaction and may be repeated
 *  too_large     more rows or bytes than allowed; nothing was committed
 *  invalid       the statement or a value is not what the database takes
 */
export type DatabaseFailure =
  | 'refused'
  | 'aborted'
  | 'unavailable'
  | 'login'
  | 'denied'
  | 'constraint'
  | 'serialization'
  | 'too_large'
  | 'invalid';

/**
 * What a tenant creates once in a database to make its writes exactly once. A key is never deleted
 * while an execution may still be retried.
 */
export const MARKER_TABLE_SQL = `create table cloudflow_markers (
  key text primary key,
  result jsonb,
  at timestamptz not null default now()
)`;
