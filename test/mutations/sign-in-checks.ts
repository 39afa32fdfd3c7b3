import { type Removal, replacing } from './removal.ts';

const INVITED = 'test/functions/invited-people.test.ts';
const MAIL = 'test/functions/asking-for-mail.test.ts';
const DOORS = 'test/functions/second-factor-doors.test.ts';
const SOCKETS = 'test/functions/forged-sockets.test.ts';
const SIGN_IN = 'lib/services/identity/sign-in.ts';
const OPEN_SOCKETS = 'lib/services/realtime/open-sockets.ts';

/** Checks of who comes in, with what they came in before, and of what stays open behind them. */
export const SIGN_IN_CHECKS: readonly Removal[] = [
  {
    name: 'whoever was invited and has not accepted',
    file: 'lib/services/users/users.ts',
    spoil: replacing(' && current.emailVerifiedAt === null', ' && current.id === null'),
    tests: [INVITED],
  },
  {
    name: 'who may set a password at that moment',
    file: 'lib/adapters/postgres/user-store.ts',
    spoil: replacing(' and status = $6\n', ' and $6::text is not null\n'),
    tests: [INVITED],
  },
  {
    name: 'the spelling that is mailed to',
    file: 'lib/services/identity/address.ts',
    spoil: replacing('    : address;\n}', '    : written;\n}'),
    tests: [MAIL],
  },
  {
    name: 'how long it takes where there is no account',
    file: 'lib/services/identity/no-sooner.ts',
    spoil: replacing('    await least;\n', ''),
    tests: [MAIL],
  },
  {
    name: 'the password that a device is known by',
    file: SIGN_IN,
    spoil: replacing(' || password_revision !== account.passwordRevision', ''),
    tests: ['test/functions/old-passwords.test.ts'],
  },
  {
    name: 'the second factor that a device is known by',
    file: SIGN_IN,
    spoil: replacing(
      'const known = device?.secondFactor === true;',
      'const known = device !== null;',
    ),
    tests: [DOORS],
  },
  {
    name: 'sessions from before an authenticator',
    file: 'lib/services/identity/second-factor.ts',
    spoil: replacing(
      "  await deps.sessions.endAll(tenant, id, 'mfa_changed', now, session);\n",
      '',
    ),
    tests: [DOORS],
  },
  {
    name: 'an authenticator that was confirmed while somebody signed in',
    file: 'lib/adapters/postgres/session-store.ts',
    spoil: replacing(
      "        if (!(await isAllThatIsAsked(client, session))) return 'user_changed';\n",
      '',
    ),
    tests: [DOORS],
  },
  {
    name: 'who vouches for an address',
    file: 'lib/adapters/openid/oidc.ts',
    spoil: replacing("about['email_verified'] === true", "claims['email_verified'] === true"),
    tests: ['test/functions/sso-attacks.test.ts'],
  },
  {
    name: 'one credential among the protocols of a socket',
    file: 'functions/realtime/socket-events.ts',
    spoil: replacing('named.length === 1 ?', 'named.length >= 1 ?'),
    tests: [SOCKETS],
  },
  {
    name: 'credentials behind sockets that are sent something',
    file: OPEN_SOCKETS,
    spoil: replacing('good.get(session) !== true', 'good.get(session) === undefined'),
    tests: [SOCKETS],
  },
  {
    name: 'credentials behind sockets that say something',
    file: OPEN_SOCKETS,
    spoil: replacing('if (await deps.isStillIn(by)) return true;', 'if (by !== null) return true;'),
    tests: [SOCKETS],
  },
];
