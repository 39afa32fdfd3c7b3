import { type Removal, replacing } from './removal.ts';

const WALLS = 'test/functions/walls.test.ts';
const ROLES = 'test/functions/roles-matrix.test.ts';
const IDENTITY = 'test/functions/identity.test.ts';
const WAYS_IN = 'test/functions/ways-in.test.ts';
const LOCKS = 'test/adapters/postgres/user-locks.test.ts';

/** Checks of requests, credentials and what people may do to each other. */
export const CHECKS: readonly Removal[] = [
  {
    name: 'permission of the route',
    file: 'functions/shared/pipeline.ts',
    spoil: replacing('principal = await allowed(deps, principal, request, route);', ''),
    tests: [WALLS],
  },
  {
    name: 'how often a caller may ask',
    file: 'functions/shared/pipeline.ts',
    spoil: replacing('requireRoom(deps, about.rate);', ''),
    tests: ['test/functions/rate-limits.test.ts'],
  },
  {
    name: 'how often callbacks may come from one network',
    file: 'functions/shared/pipeline.ts',
    spoil: replacing('requireRoom(deps, fromThere);', ''),
    tests: ['test/functions/callback-rates.test.ts'],
  },
  {
    name: 'how often one callback may be answered',
    file: 'functions/shared/pipeline.ts',
    spoil: replacing('requireRoom(deps, byToken);', ''),
    tests: ['test/functions/callback-rates.test.ts'],
  },
  {
    name: 'which pages may call',
    file: 'functions/shared/pipeline.ts',
    spoil: replacing('requireOrigin(request, about.origins);', ''),
    tests: ['test/functions/origins.test.ts'],
  },
  {
    name: 'workflows that a key is for',
    file: 'functions/shared/pipeline.ts',
    spoil: replacing('if (workflow_id !== undefined) requireWorkflow(principal, workflow_id);', ''),
    tests: ['test/functions/narrow-keys.test.ts'],
  },
  {
    name: 'digest of a key',
    file: 'lib/services/identity/authenticate.ts',
    spoil: replacing('|| !sameDigest(stored.digest, given.digest)', ''),
    tests: [WALLS, IDENTITY],
  },
  {
    name: 'revocation of a key',
    file: 'lib/services/identity/ways-in.ts',
    spoil: replacing('return key.revokedAt === null && ', 'return '),
    tests: [WALLS],
  },
  {
    name: 'end of a key',
    file: 'lib/services/identity/ways-in.ts',
    spoil: replacing(' && (key.expiresAt === null || key.expiresAt > now)', ''),
    tests: [WALLS],
  },
  {
    name: 'end of a session',
    file: 'lib/services/identity/ways-in.ts',
    spoil: replacing('state.endedAt !== null || ', ''),
    tests: [IDENTITY],
  },
  {
    name: 'user and mode of a session',
    file: 'lib/services/identity/authenticate.ts',
    spoil: replacing(
      'if (state.user !== token.user || state.mode !== token.mode) throw refused();',
      '',
    ),
    tests: [ROLES],
  },
  {
    name: 'status of a user',
    file: 'lib/services/identity/ways-in.ts',
    spoil: replacing(" || state.userStatus !== 'active'", ''),
    tests: [ROLES],
  },
  {
    name: 'passwords that count',
    file: 'lib/services/identity/ways-in.ts',
    spoil: replacing(
      'state.provider !== null || passwordCounts(state.settings, state.roles)',
      'true',
    ),
    tests: [WAYS_IN],
  },
  {
    name: 'passwords that count when somebody signs in',
    file: 'lib/services/identity/sign-in.ts',
    spoil: replacing('  if (!(await mayUsePassword(deps, account, audit))) throw wrong();\n', ''),
    tests: [WAYS_IN],
  },
  {
    name: 'provider of a session that is opened',
    file: 'lib/adapters/postgres/session-store.ts',
    spoil: replacing('await isOpen(client, session.tenant, session.through)', 'true'),
    tests: [LOCKS],
  },
  {
    name: 'user whose session is opened',
    file: 'lib/adapters/postgres/session-store.ts',
    spoil: replacing(
      'return rowCount === 1;\n}\n\nasync function endSession',
      'return true;\n}\n\nasync function endSession',
    ),
    tests: [LOCKS],
  },
  {
    name: 'sessions of a provider that is closed',
    file: 'lib/adapters/postgres/identity-provider-store.ts',
    spoil: replacing(
      'if (forget || !provider.enabled) await endSessions(client, tenant, id, now);',
      '',
    ),
    tests: [WAYS_IN],
  },
  {
    name: 'sessions of a provider that is deleted',
    file: 'lib/adapters/postgres/identity-provider-store.ts',
    spoil: replacing(
      "        await endSessions(client, tenant, id, now);\n        return 'removed';",
      "        return 'removed';",
    ),
    tests: [WAYS_IN],
  },
  {
    name: 'the last way in',
    file: 'lib/adapters/postgres/external-sign-in.ts',
    spoil: replacing(
      "if (!others && !(passwordCounts && users[0].has_password)) return 'last';",
      '',
    ),
    tests: [WAYS_IN],
  },
  {
    name: 'the lock on the user whose identities are counted',
    file: 'lib/adapters/postgres/external-sign-in.ts',
    spoil: replacing(
      'where tenant_id = $1 and id = $2 for update`',
      'where tenant_id = $1 and id = $2`',
    ),
    tests: [LOCKS],
  },
  {
    name: 'second factor of who unlinks themselves',
    file: 'lib/services/users/identities.ts',
    spoil: replacing('  requireFreshFactor(user, deps.clock.now());\n', ''),
    tests: [WAYS_IN],
  },
  {
    name: 'might of who unlinks others',
    file: 'lib/services/users/identities.ts',
    spoil: replacing(
      "  await requireGrantable(deps, principal, user.roles, '/path/user_id');\n",
      '',
    ),
    tests: [WAYS_IN],
  },
  {
    name: 'type of a token',
    file: 'lib/services/identity/access-tokens.ts',
    spoil: replacing('            typ: TYPE,\n', ''),
    tests: [ROLES],
  },
  {
    name: 'audience of a token',
    file: 'lib/services/identity/access-tokens.ts',
    spoil: (text) =>
      replacing(
        '            audience: AUDIENCE,\n',
        '',
      )(replacing('if (aud !== AUDIENCE || ', 'if (')(text)),
    tests: [ROLES],
  },
  {
    name: 'issuer of a token',
    file: 'lib/services/identity/access-tokens.ts',
    spoil: replacing('            issuer: deps.issuer(),\n', ''),
    tests: [ROLES],
  },
  {
    name: 'algorithm of a token',
    file: 'lib/services/identity/access-tokens.ts',
    spoil: replacing('            algorithms: [ALGORITHM],\n', ''),
    tests: [ROLES],
  },
  {
    name: 'keys in the head of a token',
    file: 'lib/services/identity/access-tokens.ts',
    spoil: replacing('if (REFUSED_HEADERS.some((name) => name in header)) throw refused();', ''),
    tests: [ROLES],
  },
  {
    name: 'the one text of a token',
    file: 'lib/services/identity/access-tokens.ts',
    spoil: replacing("if (!text.split('.').every(isCanonical)) throw refused();", ''),
    tests: [ROLES],
  },
  {
    name: 'who a cursor was given to',
    file: 'lib/services/shared/cursor.ts',
    spoil: replacing(
      'timingSafeEqual(given, mac(key, scope, query, position));',
      'given.length === mac(key, scope, query, position).length;',
    ),
    tests: ['test/functions/audit.test.ts', 'test/functions/api.test.ts'],
  },
  {
    name: 'what of theirs people may give away',
    file: 'lib/services/users/grantable.ts',
    spoil: replacing(
      'if (covers(principal.permissions, scopes)) return;',
      'if (scopes !== null) return;',
    ),
    tests: [IDENTITY],
  },
];
