import type {
  ExternalIdentities,
  IdentityProviderRecord,
  IdentityProviderStore,
  SamlAnswers,
  SignInProtocols,
  SignIns,
} from '#ports/identity-providers.ts';
import type { Log } from '#ports/log.ts';
import type { Secrets } from '#ports/secrets.ts';
import type { IdentityDeps } from '../identity/deps.ts';

/** What signing in elsewhere works with. */
export interface SsoDeps
  extends Pick<
    IdentityDeps,
    | 'users'
    | 'roles'
    | 'tenants'
    | 'sessions'
    | 'oneTime'
    | 'guard'
    | 'accessTokens'
    | 'key'
    | 'clock'
    | 'ids'
    | 'randomBytes'
  > {
  readonly providers: IdentityProviderStore;
  readonly identities: ExternalIdentities;
  readonly signIns: SignIns;
  readonly protocols: SignInProtocols;
  readonly secrets: Pick<Secrets, 'get' | 'put'>;
  /** Where the API is reached from outside. */
  readonly issuer: () => string;
  /** Origins of the platform's web clients: their `/callback` may be handed a code, as a tenant's own may. */
  readonly allowedOrigins: readonly string[];
  /** Hosts and ports that the operator opened, where http will do: development only. */
  readonly mayBePlain: (url: URL) => boolean;
  readonly log: Log;
}

/** What takes answers of SAML works with: it asks no provider anything, and knows no secret of theirs. */
export interface SamlDeps extends FinishDeps {
  readonly saml: SamlAnswers;
}

/** What every answer of a provider needs. */
export type FinishDeps = Pick<
  SsoDeps,
  'tenants' | 'providers' | 'signIns' | 'key' | 'clock' | 'randomBytes' | 'issuer'
>;

/** Where a provider sends people back to: its own address, so that no other's answer is taken for its. */
export function callbackUrl(
  deps: Pick<SsoDeps, 'issuer'>,
  slug: string,
  { name, protocol }: Pick<IdentityProviderRecord, 'name' | 'protocol'>,
): string {
  // SAML answers by a form.
  const last = protocol.kind === 'saml' ? 'acs' : 'callback';
  return `${deps.issuer()}/api/v1/auth/sso/${slug}/${name}/${last}`;
}
