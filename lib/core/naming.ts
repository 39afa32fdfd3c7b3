import type { TSchema } from 'typebox';

/**
 * What members of requests name: things that a tenant or one of its users owns. Each has its kind on its
 * schema, so that what must hold for every id of another tenant is asked of every member there is, also of
 * one that appears tomorrow.
 */
export const THINGS = [
  'tenant',
  'tenant_name',
  'workflow',
  'version',
  'execution',
  'bulk_operation',
  'approval',
  'label',
  'words',
  'connection',
  'connection_operation',
  'secret',
  'user',
  'address',
  'role',
  'api_key',
  'session',
  'provider',
  'email_domain',
  'dead_letter',
  'fingerprint',
  'audit_name',
  'cursor',
  'callback_token',
  'refresh_token',
  'mfa_token',
  'device_token',
  'address_token',
  'reset_token',
  'invitation_token',
  'sign_in_state',
  'sign_in_code',
] as const;
export type Thing = (typeof THINGS)[number];

/** A symbol: what is published of a schema, and what is compiled from it, says nothing of it. */
const NAMES = Symbol('names');

/** The same schema, of something that names a thing of this kind. */
export function naming<S extends TSchema>(thing: Thing, schema: S): S {
  return { ...schema, [NAMES]: thing };
}

/** What a value of the schema names; null: nothing that anybody owns. */
export function namedBy(schema: object): Thing | null {
  return (schema as { readonly [NAMES]?: Thing })[NAMES] ?? null;
}
