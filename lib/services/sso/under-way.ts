import type { ExternalIdentity } from '#core/identity-providers.ts';
import type { Kept, SignIn, SignInFailure, SignInStage } from '#ports/identity-providers.ts';
import { NONCE_BYTES } from '../identity/identity-key.ts';
import { digestOf, makeProofToken, type TokenKind } from '../identity/proof-token.ts';
import type { SsoDeps } from './deps.ts';

/** What is kept of a sign-in at each stage, sealed: whoever reads the database can go on with none. */
interface Stages {
  readonly begun: {
    readonly kept: Kept;
    readonly returnTo: string;
    /** Of the program that began: it alone has the verifier. */
    readonly challenge: string;
    readonly clientState: string | null;
    /** SHA-256 of the cookie, in hex: the browser that began is the one that comes back. */
    readonly browser: string;
  };
  readonly answered: {
    readonly provider: string;
    readonly challenge: string;
    readonly result:
      | { readonly kind: 'proven'; readonly identity: ExternalIdentity }
      | SignInFailure;
  };
  readonly used: { readonly session: string };
}

type UnderWayDeps = Pick<SsoDeps, 'signIns' | 'key' | 'clock' | 'randomBytes'>;

/** Keeps a stage under a token, and answers the token. */
export async function keep<S extends SignInStage>(
  deps: UnderWayDeps,
  of: { readonly tenant: string; readonly provider: string },
  stage: S,
  content: Stages[S],
  token: { readonly text: string; readonly digest: Uint8Array },
  goodMs: number,
): Promise<void> {
  const now = deps.clock.now();
  await deps.signIns.create({
    tenant: of.tenant,
    provider: of.provider,
    stage,
    digest: token.digest,
    sealed: deps.key.seal(
      Buffer.from(JSON.stringify(content)),
      boundTo(of.tenant, stage, token.digest),
      deps.randomBytes(NONCE_BYTES),
    ),
    now,
    expiresAt: now + goodMs,
  });
}

/** Null: nothing under this token, or nothing any more. */
export async function take<S extends SignInStage>(
  deps: UnderWayDeps,
  stage: S,
  text: string,
): Promise<(Omit<SignIn, 'sealed'> & { readonly content: Stages[S] }) | null> {
  const digest = digestOf(text);
  const found = await deps.signIns.take(digest, stage, deps.clock.now());
  if (found === null) return null;
  const { tenant, provider, sealed } = found;
  const plain = deps.key.open(sealed, boundTo(tenant, stage, digest)).toString();
  // Sealed by `keep`, and bound to the stage.
  return { tenant, provider, content: JSON.parse(plain) as Stages[S] };
}

function boundTo(tenant: string, stage: SignInStage, digest: Uint8Array): string {
  return `${tenant} sign-in ${stage} ${Buffer.from(digest).toString('hex')}`;
}

export function newToken(deps: Pick<SsoDeps, 'randomBytes'>, kind: TokenKind) {
  return makeProofToken(kind, deps.randomBytes);
}
