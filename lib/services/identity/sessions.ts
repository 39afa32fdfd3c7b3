import type { ResponseBody } from '#contract/routes.ts';
import { CloudFlowError } from '#core/errors.ts';
import type { Mode } from '#ports/execution-store.ts';
import type { ClientInfo, SessionRecord, SessionState, Through } from '#ports/sessions.ts';
import type { UserRecord } from '#ports/users.ts';
import type { AuditNotes } from '../audit/auditor.ts';
import type { IdentityDeps } from './deps.ts';
import { permissionsOf } from './permissions-of.ts';
import { digestOf, makeProofToken, withDigest } from './proof-token.ts';
import { isGood } from './ways-in.ts';

export type TokenAnswer = ResponseBody<'refreshTokens'>;

export const REFRESH_TOKEN_MS = 7 * 86_400_000;
/** A client whose answer was lost may send the same refresh token again this long. */
const GRACE_MS = 10_000;

export type SessionDeps = Pick<
  IdentityDeps,
  'sessions' | 'accessTokens' | 'clock' | 'ids' | 'randomBytes'
>;

/** What a token says of its session. */
type OpenSession = Pick<
  SessionRecord,
  'tenant' | 'id' | 'user' | 'mode' | 'methods' | 'signedInAt' | 'secondFactorAt'
>;

export interface NewSignIn {
  readonly user: UserRecord;
  readonly mode: Mode;
  readonly device: string | null;
  readonly client: ClientInfo;
  readonly methods: readonly string[];
  readonly through: Through | null;
  /** Of the password that was proven for it; null: none was. */
  readonly passwordRevision: number | null;
  /** When a second factor was proven; null: it was not. */
  readonly secondFactorAt: number | null;
  readonly deviceToken: string | null;
}

/**
 * Opens a session for a user who has proven who they are. Null: that proof counts no more, since another
 * password was set meanwhile or the user was deactivated. Throws TOKEN_INVALID.
 */
export async function openSession(
  deps: SessionDeps,
  signIn: NewSignIn,
): Promise<TokenAnswer | null> {
  const now = deps.clock.now();
  const { user } = signIn;
  const refresh = makeProofToken('cfr', deps.randomBytes);
  const session = {
    tenant: user.tenant,
    id: deps.ids.next(now),
    user: user.id,
    mode: signIn.mode,
    device: signIn.device,
    client: signIn.client,
    methods: signIn.methods,
    through: signIn.through,
    passwordRevision: signIn.passwordRevision,
    secondFactorAt: signIn.secondFactorAt,
    signedInAt: now,
    lastUsedAt: now,
    expiresAt: now + REFRESH_TOKEN_MS,
    endedAt: null,
  };
  const opening = await deps.sessions.open({ ...session, now, refresh: refresh.digest });
  if (opening === 'user_changed') return null;
  if (opening === 'provider_changed') {
    throw new CloudFlowError('TOKEN_INVALID', 'the identity provider was changed; begin again');
  }
  const state = await requireGood(deps, user.tenant, session.id);
  return tokensFor(deps, session, state, refresh.text, signIn.deviceToken);
}

/**
 * Trades a refresh token. The next one follows from the one that was sent and a key of ours, so a repeat
 * within the grace gets the very same token, and of many calls at once one chain lives on.
 */
export async function refreshTokens(
  deps: IdentityDeps,
  text: string,
  client: ClientInfo,
  audit: AuditNotes,
): Promise<TokenAnswer> {
  const now = deps.clock.now();
  const nextAt = (at: number) =>
    withDigest(`cfr_${deps.key.mac('refresh', text, at).toString('base64url')}`);
  const answer = await deps.sessions.rotate({
    digest: digestOf(text),
    next: nextAt(now).digest,
    by: (at) => deps.key.mac('client', JSON.stringify([client.userAgent, client.source]), at),
    client,
    now,
    expiresAt: now + REFRESH_TOKEN_MS,
    graceMs: GRACE_MS,
  });
  if (answer.kind === 'rotated' || answer.kind === 'reused') {
    const { tenant, user, mode, id } = answer.session;
    audit.know({ tenant, mode, target: `session:${id}` });
    if (answer.kind === 'rotated') audit.know({ actor: `user:${user}` });
    else audit.note({ refresh_token: 'reused', session: 'ended', user });
  }
  // One answer for whatever is wrong: which it was helps nobody who is honest.
  if (answer.kind !== 'rotated') throw refused();
  const { session } = answer;
  const state = await requireGood(deps, session.tenant, session.id);
  return tokensFor(deps, session, state, nextAt(answer.usedAt).text, null);
}

/** What holds now. Throws TOKEN_INVALID where nobody may go on with the session. */
async function requireGood(
  { sessions, clock }: SessionDeps,
  tenant: string,
  id: string,
): Promise<SessionState> {
  const state = await sessions.state(tenant, id);
  if (state === null || !isGood(state, clock.now())) throw refused();
  return state;
}

async function tokensFor(
  deps: SessionDeps,
  session: OpenSession,
  state: SessionState,
  refreshToken: string,
  deviceToken: string | null,
): Promise<TokenAnswer> {
  const { text, expiresIn } = await deps.accessTokens.issue({
    tenant: session.tenant,
    mode: session.mode,
    user: session.user,
    session: session.id,
    email: state.email,
    roles: state.roles,
    permissions: permissionsOf(state.roles, state.scopes),
    methods: session.methods,
    authenticatedAt: session.secondFactorAt ?? session.signedInAt,
  });
  return {
    token_type: 'Bearer',
    access_token: text,
    expires_in: expiresIn,
    refresh_token: refreshToken,
    session_id: session.id,
    device_token: deviceToken,
  };
}

function refused(): CloudFlowError {
  return new CloudFlowError('TOKEN_INVALID', 'the refresh token is not valid; sign in again');
}
