import type { Removed, Replaced } from './connection-store.ts';
import type { Page, PageRequest } from './execution-store.ts';
import type { EndReason } from './sessions.ts';

/** People of a tenant. An address is one account, however it is spelled: see `canonicalAddress`. */
export interface UserStore {
  /** `taken`: the tenant has a user with this address. */
  create(user: NewUser): Promise<UserRecord | 'taken'>;
  find(tenant: string, id: string): Promise<UserRecord | null>;
  /** With the hash of the password: for signing in and for changing it, and nothing else. */
  findCredentials(tenant: string, address: string): Promise<UserCredentials | null>;
  credentialsOf(tenant: string, id: string): Promise<UserCredentials | null>;
  list(tenant: string, filter: UserFilter, page: PageRequest): Promise<Page<UserRecord>>;
  /**
   * `changed`: somebody was faster, where a revision was named. `last`: nobody else who is active would
   * be left with the role that `keeps` names. Where other roles follow, every session of the user ends; whoever
   * is deactivated also loses what was mailed to them.
   */
  update(
    tenant: string,
    id: string,
    change: UserChange,
    revision: number | null,
    now: number,
    keeps?: string,
  ): Promise<Replaced<UserRecord> | { readonly kind: 'last' }>;
  /**
   * In one transaction: whatever was begun with the old one is good no more (resets and changes of address
   * that were mailed, halves of sign-ins), and sessions end. False: it is not the one that was proven, or
   * the user is not who may set one (`of`), for instance since somebody deactivated them meanwhile.
   */
  setPassword(tenant: string, id: string, password: NewPassword): Promise<boolean>;
  /** The same password under other parameters; nothing happens where another was set meanwhile. */
  rehash(
    tenant: string,
    id: string,
    hash: { readonly verified: string; readonly renewed: string },
  ): Promise<void>;
  /**
   * Under another address from now on, which was confirmed; what was mailed to the old one is good no
   * more. False: somebody has it, or another password was set since it was asked for.
   */
  move(
    tenant: string,
    id: string,
    to: { readonly email: string; readonly address: string; readonly passwordRevision: number },
    now: number,
  ): Promise<boolean>;
}

export type UserStatus = 'invited' | 'active' | 'deactivated';

export interface UserRecord {
  readonly tenant: string;
  readonly id: string;
  readonly email: string;
  readonly name: string | null;
  readonly status: UserStatus;
  readonly roles: readonly string[];
  readonly preferences: Preferences;
  readonly emailVerifiedAt: number | null;
  readonly secondFactor: boolean;
  readonly lastSignedInAt: number | null;
  readonly revision: number;
  readonly createdAt: number;
  readonly updatedAt: number;
}

export interface UserCredentials extends UserRecord {
  /** Null: none was set yet, or the user signs in elsewhere only. */
  readonly passwordHash: string | null;
  /** Another with every password that is set. */
  readonly passwordRevision: number;
}

export interface NewPassword {
  readonly hash: string;
  /** Whose it becomes: of a user who is active, or of one who was invited and is active by it. */
  readonly of: Exclude<UserStatus, 'deactivated'>;
  /** Whoever sets it was mailed a token, and so has shown that they read what is mailed there. */
  readonly mailed: boolean;
  /** What they call themselves from now on; left out: as before. */
  readonly name?: string;
  /** The revision of the password that was proven for it; null: something else was. */
  readonly proven: number | null;
  readonly because: Extract<EndReason, 'password_changed' | 'password_reset'>;
  /** The session that goes on; null: none does. */
  readonly except: string | null;
  readonly now: number;
}

export interface Preferences {
  readonly locale?: string;
  readonly time_zone?: string;
  readonly notifications?: {
    readonly email?: boolean;
    readonly sms?: boolean;
    readonly in_app?: boolean;
  };
  readonly theme?: 'light' | 'dark' | 'system';
}

export interface NewUser {
  readonly tenant: string;
  readonly id: string;
  readonly email: string;
  readonly address: string;
  readonly name: string | null;
  readonly status: UserStatus;
  readonly roles: readonly string[];
  readonly emailVerifiedAt: number | null;
  readonly now: number;
}

/** What is left out stays as it is. */
export interface UserChange {
  readonly name?: string | null;
  readonly status?: UserStatus;
  readonly roles?: readonly string[];
  readonly preferences?: Preferences;
  readonly emailVerifiedAt?: number;
}

export interface UserFilter {
  readonly status: UserStatus | null;
  readonly role: string | null;
  /** A part of the address or of the name, in any case. */
  readonly text: string | null;
}

/** Roles of the tenant's own. */
export interface RoleStore {
  create(tenant: string, role: RoleSpec, now: number): Promise<RoleRecord | 'taken'>;
  find(tenant: string, name: string): Promise<RoleRecord | null>;
  /** Those of the names that exist. */
  findAll(tenant: string, names: readonly string[]): Promise<readonly RoleRecord[]>;
  list(tenant: string, page: PageRequest): Promise<Page<RoleRecord>>;
  replace(
    tenant: string,
    role: RoleSpec,
    revision: number | null,
    now: number,
  ): Promise<Replaced<RoleRecord>>;
  /** `used`: users have it. `given`: an identity provider gives it to whom it brings along. */
  remove(
    tenant: string,
    name: string,
    revision: number | null,
  ): Promise<Removed | 'used' | 'given'>;
}

export interface RoleSpec {
  readonly name: string;
  readonly about: string;
  readonly scopes: readonly string[];
}

export interface RoleRecord extends RoleSpec {
  readonly revision: number;
  readonly createdAt: number;
  readonly updatedAt: number;
}

export interface TenantStore {
  /** By the short name that people type. Null: no such tenant. */
  findBySlug(slug: string): Promise<string | null>;
  find(tenant: string): Promise<TenantRecord | null>;
  update(
    tenant: string,
    change: { readonly name: string; readonly settings: TenantSettings },
    revision: number | null,
    now: number,
  ): Promise<Replaced<TenantRecord>>;
}

/** What operators alone do: nothing that answers callers holds it. */
export interface TenantMaker {
  findBySlug(slug: string): Promise<string | null>;
  /** Makes it, or finds it as it is. Rejects when another tenant has the short name. */
  ensure(tenant: {
    readonly id: string;
    readonly slug: string;
    readonly name: string;
    readonly now: number;
  }): Promise<void>;
}

export interface TenantSettings {
  readonly mfa: 'off' | 'administrative' | 'everyone';
  /** Who may sign in with a password; others come through an identity provider. */
  readonly password_sign_in: 'everyone' | 'owners';
  /** Of all its callers together; null: as the platform says. */
  readonly requests_per_minute: number | null;
  /** Origins of web pages that may call with its credentials. */
  readonly allowed_origins: readonly string[];
}

export interface TenantRecord {
  readonly tenant: string;
  readonly slug: string;
  readonly name: string;
  readonly settings: TenantSettings;
  readonly revision: number;
  readonly createdAt: number;
  readonly updatedAt: number;
}
