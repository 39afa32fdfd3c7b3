import type {
  ExternalIdentity,
  Protocol,
  ProtocolKind,
  ProtocolOf,
} from '#core/identity-providers.ts';
import type { Secret } from '#core/secret.ts';
import type { Removed, Replaced } from './connection-store.ts';
import type { Page, PageRequest } from './execution-store.ts';
import type { NewUser } from './users.ts';

/** Where people of a tenant may sign in besides here. */
export interface IdentityProviderStore {
  /** To be called before a secret is stored under this name: one that no provider comes to name is deleted. */
  announceSecret(tenant: string, keptAs: string, now: number): Promise<void>;
  /** @throws UNAVAILABLE when its secret has been deleted meanwhile: another try stores it anew. */
  create(provider: NewIdentityProvider, now: number): Promise<IdentityProviderRecord | 'taken'>;
  find(tenant: string, name: string): Promise<IdentityProviderRecord | null>;
  list(tenant: string, page: PageRequest): Promise<Page<IdentityProviderRecord>>;
  /**
   * `forget`: nobody is known through it any more. Where nobody signs in through it afterwards, or nobody
   * is known, sessions that came through it end. @throws as `create` does
   */
  replace(
    provider: NewIdentityProvider,
    revision: number,
    forget: boolean,
    now: number,
  ): Promise<Replaced<IdentityProviderRecord>>;
  /** Whoever was known through it is known through it no more; sessions that came through it end. */
  remove(tenant: string, id: string, revision: number, now: number): Promise<Removed>;
}

export interface NewIdentityProvider {
  readonly tenant: string;
  readonly id: string;
  readonly name: string;
  readonly enabled: boolean;
  readonly protocol: Protocol;
  /** The name that the client secret is kept under; null: there is none. */
  readonly secret: string | null;
  /** Canonical domains of addresses that it may speak for. */
  readonly emailDomains: readonly string[];
  /** Of users that it brings along; null: only those who are there already sign in. */
  readonly defaultRoles: readonly string[] | null;
  /** A second factor that was proven there counts here. */
  readonly trustsMfa: boolean;
}

export interface IdentityProviderRecord extends NewIdentityProvider {
  readonly revision: number;
  readonly createdAt: number;
  readonly updatedAt: number;
}

/** Whom users are elsewhere. One identity is one user; a user may have several. */
export interface ExternalIdentities {
  /** The user whose it is; null: nobody's yet. */
  find(tenant: string, provider: string, subject: string): Promise<string | null>;
  /** `taken`: it is somebody's by now, or the provider is gone. */
  link(link: IdentityLink): Promise<'linked' | 'taken'>;
  /** As `link`, with a user who is new. `taken`: the identity or the address is somebody's by now. */
  linkNew(user: NewUser, provider: string, subject: string): Promise<'linked' | 'taken'>;
  /** By the name of the provider; a user has few. Null: no such user. */
  list(tenant: string, user: string): Promise<readonly LinkedIdentity[] | null>;
  /**
   * Unlinks whoever the user is at the provider of this name, and ends the user's sessions that came through
   * it. `last`: nothing else would be left that lets the user in. Decided under the user's lock.
   */
  unlink(unlink: IdentityUnlink): Promise<'unlinked' | 'not_found' | 'last'>;
}

export interface IdentityLink {
  readonly tenant: string;
  readonly provider: string;
  readonly subject: string;
  readonly user: string;
  readonly now: number;
}

/** Whom a user is elsewhere. */
export interface LinkedIdentity {
  readonly provider: string;
  readonly kind: ProtocolKind;
  /** Nobody signs in through a provider that is not. */
  readonly enabled: boolean;
  /** The provider's id for them. */
  readonly subject: string;
  readonly linkedAt: number;
}

export interface IdentityUnlink {
  readonly tenant: string;
  readonly user: string;
  /** Its name. */
  readonly provider: string;
  /** The user's password, where they have one, lets them in. */
  readonly passwordCounts: boolean;
  readonly now: number;
}

/**
 * Sign-ins that are under way. `begun`: whoever begins is at the provider; its digest is of `state`.
 * `answered`: they came back; its digest is of the code that the program trades for its session. `used`: it did.
 */
export interface SignIns {
  create(signIn: NewSignIn): Promise<void>;
  /** Null: no such sign-in, or expired. It is gone afterwards: of many calls at once one gets it. */
  take(digest: Uint8Array, stage: SignInStage, now: number): Promise<SignIn | null>;
}

export type SignInStage = 'begun' | 'answered' | 'used';

export interface SignIn {
  readonly tenant: string;
  /** The provider's id. */
  readonly provider: string;
  /** What is kept of it, sealed. */
  readonly sealed: Uint8Array;
}

export interface NewSignIn extends SignIn {
  /** SHA-256. */
  readonly digest: Uint8Array;
  readonly stage: SignInStage;
  readonly now: number;
  readonly expiresAt: number;
}

/**
 * How one kind of provider is asked. What it answers is hostile until proven: an adapter reads it within
 * bounds, and reaches the provider through the egress guard alone.
 */
export interface SignInProtocol<K extends ProtocolKind = ProtocolKind> {
  /** Where the browser goes, and what must be known when it comes back. Nothing is sent by us but to discover. */
  begin(at: SignInAt<K>): Promise<Begun | SignInFailure>;
  finish(at: SignInAt<K>, kept: Kept, answer: ProviderAnswer): Promise<Proven | SignInFailure>;
}

/** Answers of SAML come to an address of their own, where a program of its own reads them. */
export interface SamlAnswers extends Pick<SignInProtocol<'saml'>, 'finish'> {
  /** What a provider reads to know us: one document for each address that answers come back to. */
  metadata(callbackUrl: string): string;
}

/** One for each kind: a kind without one does not compile. */
export type SignInProtocols = {
  readonly [K in ProtocolKind]: K extends 'saml'
    ? Pick<SignInProtocol<K>, 'begin'>
    : SignInProtocol<K>;
};

export interface SignInAt<K extends ProtocolKind = ProtocolKind> {
  readonly tenant: string;
  readonly protocol: ProtocolOf<K>;
  readonly secret: Secret | null;
  /** Where the provider sends people back to: a path of our own for each tenant and provider. */
  readonly callbackUrl: string;
  /** What the provider knows us by, where it asks: the same for all providers of a tenant. */
  readonly state: string;
  /** A second factor counts, so when it was proven must be said and be recent. */
  readonly trustsMfa: boolean;
}

/** What an adapter keeps between the two halves, sealed until then. */
export type Kept = Readonly<Record<string, string>>;

export interface Begun {
  readonly kind: 'begun';
  readonly location: string;
  readonly kept: Kept;
}

/** What came back: the fields of the query, or of the form, each given once. */
export type ProviderAnswer = Readonly<Record<string, string>>;

export interface Proven {
  readonly kind: 'proven';
  readonly identity: ExternalIdentity;
}

/** `reason`: a word of ours, for the audit trail and whoever set the provider up. Never what it sent. */
export interface SignInFailure {
  /** `away`: it did not answer, or not as it should; the same again may succeed. */
  readonly kind: 'refused' | 'away';
  readonly reason: string;
}
