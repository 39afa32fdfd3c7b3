import { type Removal, replacing } from './removal.ts';

const AUTHORIZE = 'lib/services/identity/authorize.ts';
const WALLS = 'test/functions/walls.test.ts';
const DEMANDED = 'test/functions/second-factor-demanded.test.ts';
const DOORS = 'test/functions/second-factor-doors.test.ts';
const NARROW = 'test/functions/keys-make-keys.test.ts';
const FOREIGN = 'test/functions/foreign-ids.test.ts';
const LISTS = 'test/functions/foreign-lists.test.ts';
const LOCKS = 'test/adapters/postgres/user-locks.test.ts';
const IDENTITY = 'test/functions/identity.test.ts';
const WAYS_IN = 'test/functions/ways-in.test.ts';
const FACTORS = 'lib/adapters/postgres/second-factors.ts';

/** Checks that stand behind a permission: second factors, modes, narrow keys, and whose something is. */
export const SECOND_CHECKS: readonly Removal[] = [
  {
    name: 'second factor of administrative operations',
    file: AUTHORIZE,
    spoil: replacing('  if (ADMINISTRATIVE.has(permission)) requireFreshFactor(user, now);\n', ''),
    tests: [DEMANDED],
  },
  {
    name: 'second factor that a tenant asks of everyone',
    file: AUTHORIZE,
    spoil: replacing("user.mfa === 'everyone' && user.secondFactorAt === null", 'user === null'),
    tests: [DEMANDED],
  },
  {
    name: 'age of a second factor',
    file: AUTHORIZE,
    spoil: replacing(' && now - user.secondFactorAt < SECOND_FACTOR_MS', ''),
    tests: [DEMANDED],
  },
  {
    name: 'what mode test shares with mode live',
    file: AUTHORIZE,
    spoil: replacing(
      "principal.mode === 'test' && isTenantWide(permission)",
      'permission === null',
    ),
    tests: [WALLS],
  },
  {
    name: 'what all workflows share',
    file: AUTHORIZE,
    spoil: replacing(
      'principal.workflows !== null && isOfAllWorkflows(permission)',
      'permission === null',
    ),
    tests: [NARROW, 'test/functions/dead-letters.test.ts'],
  },
  {
    name: 'routes for users alone',
    file: AUTHORIZE,
    spoil: replacing(
      "    if (user === null) throw denied('this is for users; sign in as one');\n",
      '',
    ),
    tests: [WALLS],
  },
  {
    name: 'a code that was used',
    file: FACTORS,
    spoil: replacing('confirmed_at is not null and last_step < $3', 'confirmed_at is not null'),
    tests: [IDENTITY, DOORS],
  },
  {
    name: 'a second factor that was never confirmed',
    file: FACTORS,
    spoil: replacing('confirmed_at is not null and last_step < $3', 'last_step < $3'),
    tests: ['test/adapters/postgres/second-factors.test.ts'],
  },
  {
    name: 'the lock on the owners who are counted',
    file: 'lib/adapters/postgres/user-store.ts',
    spoil: replacing("status = 'active' order by id for update`", "status = 'active' order by id`"),
    tests: [LOCKS],
  },
  {
    name: 'the lock on the user whose session is opened',
    file: 'lib/adapters/postgres/session-store.ts',
    spoil: replacing('password_revision = $3) for update`', 'password_revision = $3)`'),
    tests: [LOCKS],
  },
  {
    name: 'how often a secret may be guessed',
    file: 'lib/services/identity/guesses.ts',
    spoil: replacing(
      'const until = await deps.guard.reserve([...own, ...shared], now, GUESS_WINDOW_MS);',
      'const until = Number(own.length + shared.length) < 0 ? now : null;',
    ),
    tests: [IDENTITY],
  },
  {
    name: 'sessions of an identity that is removed',
    file: 'lib/adapters/postgres/external-sign-in.ts',
    spoil: replacing(
      'and provider_id = $3 and ended_at is null`',
      'and provider_id = $3 and false`',
    ),
    tests: [WAYS_IN],
  },
  {
    name: 'tenant of a code that links',
    file: 'lib/services/sso/flow.ts',
    spoil: replacing('  if (of !== null && signIn.tenant !== of) throw gone();\n', ''),
    tests: [FOREIGN],
  },
  {
    name: 'whose session it is that is ended as one’s own',
    file: 'lib/services/users/sessions.ts',
    spoil: replacing(
      " || found.user !== signedIn(principal).id) throw notFound('session');",
      ") throw notFound('session');",
    ),
    tests: [FOREIGN],
  },
  {
    name: 'whose sessions a cursor leads through',
    file: 'lib/services/users/sessions.ts',
    spoil: replacing(
      'const scope = { principal, operation, of: user };',
      'const scope = { principal, operation };',
    ),
    tests: [LISTS],
  },
  {
    name: 'mode of an execution',
    file: 'lib/services/executions/load-state.ts',
    spoil: replacing(
      'if (record === null || record.mode !== principal.mode) return null;',
      'if (record === null) return null;',
    ),
    tests: [WALLS],
    first: 'Execution answers (403|404) to the same tenant in mode test',
  },
  {
    name: 'workflow of an execution',
    file: 'lib/services/executions/load-state.ts',
    spoil: replacing(
      'return mayTouchWorkflow(principal, record.workflowId) ? record : null;',
      'return mayTouchWorkflow(principal, record.workflowId) ? record : record;',
    ),
    tests: ['test/functions/narrow-keys.test.ts'],
  },
  {
    name: 'what a change has seen',
    file: 'lib/services/shared/etag.ts',
    spoil: replacing('throw changed();', 'given.includes(etag);'),
    tests: ['test/functions/foreign-etags.test.ts'],
    first: 'is not done under theirs',
  },
  {
    name: 'members that no body has',
    file: 'lib/contract/schemas/identity.ts',
    spoil: replacing(
      'export const ChangePasswordBody = closed({',
      'export const ChangePasswordBody = Type.Object({',
    ),
    tests: [WALLS],
  },
];
