import pg from 'pg';
import type { DatabaseAnswer, DatabaseFailure } from '#ports/databases.ts';
import { EGRESS_REFUSED } from '#ports/egress.ts';
import { UnfitColumn } from './column-types.ts';
import { TooMuchData, WrongPeer } from './guarded-client.ts';

/**
 * What an error of the database or of the way there means. Messages carry the SQLSTATE and the name of
 * a constraint, never the server's sentence: that quotes values.
 */
export function explain(error: unknown): DatabaseAnswer & { ok: false } {
  if (error instanceof TooMuchData) return failed('too_large', error.message);
  if (error instanceof WrongPeer) return failed('refused', EGRESS_REFUSED);
  if (error instanceof UnfitColumn) return failed('invalid', error.message);
  if (error instanceof pg.DatabaseError && error.code !== undefined) {
    const name = error.constraint === undefined ? '' : `, constraint '${error.constraint}'`;
    return failed(reasonOf(error.code), `the database answered ${error.code}${name}`);
  }
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const why = /^[A-Z][A-Z0-9_]{2,60}$/.test(code) ? code : 'it was lost or never came about';
  return failed('unavailable', `no connection to the database: ${why}`);
}

export function failed(reason: DatabaseFailure, message: string): DatabaseAnswer & { ok: false } {
  return { ok: false, reason, message };
}

/** Codes before classes: the first that fits. */
const REASONS: readonly (readonly [string, DatabaseFailure])[] = [
  ['40001', 'serialization'],
  ['40P01', 'serialization'], // deadlock
  ['55P03', 'serialization'], // a lock was not to be had
  ['57014', 'aborted'], // cancelled, by us or by a limit of the server's own
  ['42501', 'denied'],
  ['25006', 'denied'], // a write in a read-only transaction
  ['3D000', 'login'], // no such database
  ['23', 'constraint'],
  ['28', 'login'],
  ['08', 'unavailable'],
  ['40', 'unavailable'], // rolled back for reasons of the server
  ['53', 'unavailable'], // no memory, disk or connections left
  ['57', 'unavailable'], // shutting down, starting up
  ['58', 'unavailable'],
];

function reasonOf(state: string): DatabaseFailure {
  return REASONS.find(([prefix]) => state.startsWith(prefix))?.[1] ?? 'invalid';
}
