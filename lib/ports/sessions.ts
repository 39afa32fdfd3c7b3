import type { Mode, Page, PageRequest } from './execution-store.ts';
import type { TenantSettings, UserStatus } from './users.ts';

/**
 * Where users are signed in: the truth, of which access tokens are a copy that ages. A session holds one
 * live refresh token at a time; only digests (SHA-256) are ever given to the store.
 */
export interface SessionStore {
  /** The user has signed in by it, unless what they came with counts no more: see `Opening`. */
  open(session: NewSession): Promise<Opening>;
  find(tenant: string, id: string): Promise<SessionRecord | null>;
  /** What an access token says, as it is now; null: no such session. One round trip. */
  state(tenant: string, id: string): Promise<SessionState | null>;
  /** Sessions that are not over, newest first; of all users where none is named. */
  list(
    tenant: string,
    user: string | null,
    now: number,
    page: PageRequest,
  ): Promise<Page<SessionRecord>>;
  /** Trades one refresh token for the next, in one transaction: of many calls at once one does. */
  rotate(rotation: Rotation): Promise<RotationAnswer>;
  /** False: no such session, or it is over. */
  secondFactor(
    tenant: string,
    id: string,
    methods: readonly string[],
    now: number,
  ): Promise<boolean>;
  /** The password was given again, and is still this one. False: it is not, or the session is over. */
  passwordProven(
    of: Pick<NewSession, 'tenant' | 'user' | 'passwordRevision'>,
    id: string,
    now: number,
  ): Promise<boolean>;
  /** False: no such session, or it is over. */
  end(tenant: string, id: string, because: EndReason, now: number): Promise<boolean>;
  /** Ends every session of a user but one; answers how many. */
  endAll(
    tenant: string,
    user: string,
    because: EndReason,
    now: number,
    except?: string,
  ): Promise<number>;
}

export type EndReason =
  | 'logout'
  | 'revoked'
  | 'refresh_token_reused'
  | 'password_changed'
  | 'password_reset'
  | 'deactivated'
  | 'mfa_changed'
  | 'code_reused'
  | 'provider_closed'
  | 'identity_removed'
  | 'roles_changed';

export type Opening =
  | 'opened'
  /** The provider that the sign-in came through was changed or closed meanwhile. */
  | 'provider_changed'
  /** The user was deactivated meanwhile, has another password than was proven, or an authenticator that was not asked for. */
  | 'user_changed';

/** The identity provider that a sign-in came through, as it was then. Null: it began here. */
export interface Through {
  readonly provider: string;
  readonly revision: number;
}

export interface NewSession {
  readonly tenant: string;
  readonly id: string;
  readonly user: string;
  readonly mode: Mode;
  readonly device: string | null;
  readonly client: ClientInfo;
  readonly methods: readonly string[];
  readonly through: Through | null;
  /** Of the password that was proven; null: none was. */
  readonly passwordRevision: number | null;
  readonly secondFactorAt: number | null;
  readonly now: number;
  readonly expiresAt: number;
  readonly refresh: Uint8Array;
}

/** Where a call came from: for people to recognise, never for deciding what they may do. */
export interface ClientInfo {
  readonly userAgent: string | null;
  readonly source: string | null;
}

export interface SessionRecord {
  readonly tenant: string;
  readonly id: string;
  readonly user: string;
  readonly mode: Mode;
  readonly device: string | null;
  readonly client: ClientInfo;
  readonly methods: readonly string[];
  readonly provider: string | null;
  readonly signedInAt: number;
  /** When how it began was last proven: signing in, or the password again. */
  readonly provenAt: number;
  readonly secondFactorAt: number | null;
  readonly lastUsedAt: number;
  readonly expiresAt: number;
  readonly endedAt: number | null;
}

export interface SessionState {
  readonly user: string;
  readonly mode: Mode;
  readonly userStatus: UserStatus;
  readonly email: string;
  readonly roles: readonly string[];
  /** Of the tenant's own roles among them. */
  readonly scopes: readonly string[];
  readonly settings: TenantSettings;
  /** The identity provider that it came through; null: it began here. */
  readonly provider: string | null;
  readonly secondFactorAt: number | null;
  readonly expiresAt: number;
  readonly endedAt: number | null;
  readonly newest: UserNewest;
}

/** How new what is stored of a user is: nothing older may be told of them. */
export interface UserNewest {
  readonly revision: number;
  readonly updatedAt: number;
  /** Not a new revision. */
  readonly lastSignedInAt: number | null;
}

export interface Rotation {
  /** Of the token that was sent. */
  readonly digest: Uint8Array;
  /** Of the token that follows from it. */
  readonly next: Uint8Array;
  /** What tells clients apart, hashed as it is at a time: a repeat is compared as its first was hashed. */
  readonly by: (at: number) => Uint8Array;
  readonly client: ClientInfo;
  readonly now: number;
  readonly expiresAt: number;
  /** For this long after its first use a token may come again from the same client. */
  readonly graceMs: number;
}

export type RotationAnswer =
  /** Also for a repeat within the grace: the same token follows from the same token. */
  | {
      readonly kind: 'rotated';
      readonly session: SessionRecord;
      /** When the token was first used: now, or a moment ago. */
      readonly usedAt: number;
    }
  /** The session was ended by it. */
  | { readonly kind: 'reused'; readonly session: SessionRecord }
  | { readonly kind: 'unknown' | 'expired' | 'ended' };
