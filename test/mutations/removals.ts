import { globSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { TABLES } from '#adapters/postgres/roles.ts';

/**
 * Every check of tenancy and identity that can be taken away alone: the tenant of a statement, a permission, the
 * policies of a table, a test of a credential.
 */
export const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const WALLS = 'test/functions/walls.test.ts';
const STATEMENTS = 'test/adapters/postgres/statement-walls.test.ts';
const PEOPLE = 'test/adapters/postgres/statement-walls-people.test.ts';
const ROLES = 'test/functions/roles-matrix.test.ts';
const IDENTITY = 'test/functions/identity.test.ts';
const WAYS_IN = 'test/functions/ways-in.test.ts';
const WORK = 'test/adapters/postgres/statement-walls-work.test.ts';
const PROVIDERS = 'test/adapters/postgres/statement-walls-providers.test.ts';
const TENANCY = 'test/adapters/postgres/tenancy.test.ts';

export interface Removal {
  readonly name: string;
  readonly file: string;
  readonly spoil: (text: string) => string;
  /** One of these must fail; the first that does is enough. */
  readonly tests: readonly string[];
}

/** Where a statement asks for rows of one tenant. A digest is the whole key of its table: nothing can differ there. */
const FILTER = /(?<![.\w])(?:\w+\.)?tenant_id = \$(\d)(?!\d)(?! and digest = )/g;
/** The table of tenants is filtered by its own id. */
const OWN_FILTER = /(?<![.\w])(?:\w+\.)?id = \$(\d)(?=\s)/g;
const OF_TENANTS = 'lib/adapters/postgres/tenant-store.ts';

/** Every file with such a statement: a store is here the day it appears. */
export const STORES: readonly string[] = globSync('lib/adapters/postgres/*.ts', { cwd: ROOT })
  .filter((file) => file === OF_TENANTS || readFileSync(join(ROOT, file), 'utf8').match(FILTER))
  .sort();

/** Who notices what is taken from a store, where it is not the tests of all stores. */
const NOTICED_BY: Readonly<Record<string, readonly string[]>> = {
  'audit-sealer': ['test/adapters/postgres/audit-trail.test.ts', 'test/functions/audit.test.ts'],
  'bulk-operations': [WORK],
  'collect-secrets': [WORK],
  'dead-letters': [WORK],
  'external-sign-in': [PROVIDERS],
  'idempotency-store': [WORK],
  'identity-provider-store': [PROVIDERS],
  'kept-secrets': [WORK],
  'one-time-tokens': [PROVIDERS],
  ownership: [WORK],
  quarantine: [WORK],
  recorder: [WORK],
  'start-limits': [WORK],
  'step-functions-work': [WORK],
  'task-tokens': [WORK],
};

/** Filters that change nothing of what is answered, and why. */
export const NEEDLESS: readonly {
  readonly file: string;
  readonly statement: string;
  readonly because: string;
}[] = ['programs', 'integrity-reader'].map((store) => ({
  file: `lib/adapters/postgres/${store}.ts`,
  statement: 'select program from workflow_versions where tenant_id = $1 and program_hash = $2',
  because: 'the hash is of the whole program: of whichever tenant it is read, it is the same',
}));

function replacing(find: string, replace: string): (text: string) => string {
  return (text) => {
    if (!text.includes(find)) throw new Error(`nothing to take away: ${find}`);
    return text.replace(find, replace);
  };
}

/** Every such place, but for those that are said to be needless. */
function tenantFilters(): Removal[] {
  return STORES.flatMap((file) => {
    const text = readFileSync(join(ROOT, file), 'utf8');
    const needless = NEEDLESS.filter((each) => each.file === file).map(({ statement }) => {
      const begins = text.indexOf(statement);
      if (begins === -1) throw new Error(`${file} has no statement '${statement}'`);
      return { begins, ends: begins + statement.length };
    });
    const found = [...text.matchAll(file === OF_TENANTS ? OWN_FILTER : FILTER)].filter(
      ({ index }) => !needless.some(({ begins, ends }) => begins <= index && index < ends),
    );
    return found.map(({ 0: filter, 1: parameter, index }): Removal => {
      const line = text.slice(0, index).split('\n').length;
      return {
        name: `tenant of the statement at ${file}:${line}`,
        file,
        // Always true, and still a use of the parameter.
        spoil: (all) =>
          `${all.slice(0, index)}($${parameter}::uuid is not null or ${filter})${all.slice(index + filter.length)}`,
        tests: NOTICED_BY[basename(file, '.ts')] ?? [STATEMENTS, PEOPLE, WALLS, IDENTITY],
      };
    });
  });
}

function policies(): Removal[] {
  const last = globSync('lib/adapters/postgres/migrations/*.sql', { cwd: ROOT }).sort().at(-1);
  if (last === undefined) throw new Error('there are no migrations');
  return Object.entries(TABLES)
    .filter(([, { tenant }]) => tenant)
    .map(([table]) => ({
      name: `policies of ${table}`,
      file: last,
      spoil: (text) => `${text}\nalter table ${table} disable row level security;\n`,
      tests: [TENANCY],
    }));
}

const CHECKS: readonly Removal[] = [
  {
    name: 'permission of the route',
    file: 'functions/shared/pipeline.ts',
    spoil: replacing('requirePermission(principal, route, deps.clock.now());', ''),
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
    spoil: replacing('requireWorkflow(principal, workflow_id);', ''),
    tests: [IDENTITY, 'test/functions/api.test.ts', WALLS],
  },
  {
    name: 'digest of a key',
    file: 'lib/services/identity/authenticate.ts',
    spoil: replacing('|| !sameDigest(stored.digest, given.digest)', ''),
    tests: [WALLS, IDENTITY],
  },
  {
    name: 'revocation of a key',
    file: 'lib/services/identity/authenticate.ts',
    spoil: replacing('if (stored.revokedAt !== null) throw refused();', ''),
    tests: [WALLS],
  },
  {
    name: 'end of a key',
    file: 'lib/services/identity/authenticate.ts',
    spoil: replacing(
      'if (stored.expiresAt !== null && stored.expiresAt <= now) throw refused();',
      '',
    ),
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
    spoil: replacing(
      'return rowCount === 1;\n}\n\nasync function endSession',
      'return true;\n}\n\nasync function endSession',
    ),
    tests: [WAYS_IN],
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
    tests: [WAYS_IN],
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

/** Every line that refuses an answer of SAML: in which file of its adapter, and the line. */
const SAML_LINES = [
  ['parse', "if (/<[!?]/.test(body)) throw new Refused('forbidden_markup');"],
  ['shape', 'checkIds(root);'],
  [
    'shape',
    "if (!allowed.includes(element.getAttribute('Algorithm'))) throw new Refused('algorithm');",
  ],
  ['read-answer', 'checkShape(parseXml(text));'],
  ['judge-answer', "if (answer.issuer !== expected.issuer) return 'wrong_issuer';"],
  ['judge-answer', "if (assertion.issuer !== expected.issuer) return 'wrong_issuer';"],
  ['judge-answer', "if (answer.destination !== expected.acsUrl) return 'wrong_destination';"],
  ['judge-answer', "if (answer.inResponseTo !== expected.requestId) return 'wrong_request';"],
  ['judge-answer', "if (!isForUs) return 'wrong_audience';"],
  ['judge-answer', "if (recipient !== expected.acsUrl) return 'wrong_recipient';"],
  ['judge-answer', "if (inResponseTo !== expected.requestId) return 'wrong_request';"],
  ['saml-answers', 'await takeOnce(deps, tenant, read);'],
] as const;

const samlChecks = SAML_LINES.map(
  ([file, line], at): Removal => ({
    name: `SAML ${at + 1}, ${file}: ${line}`,
    file: `lib/adapters/saml/${file}.ts`,
    spoil: replacing(line, ''),
    tests: ['test/adapters/saml/answers.test.ts', 'test/adapters/saml/interop.test.ts'],
  }),
);

export const REMOVALS: readonly Removal[] = [
  ...CHECKS,
  ...samlChecks,
  ...policies(),
  ...tenantFilters(),
];

/** The file without the check; throws where there is nothing to take away. */
export function spoilt(removal: Removal): string {
  const before = readFileSync(join(ROOT, removal.file), 'utf8');
  const after = removal.spoil(before);
  if (after === before) throw new Error(`${removal.name}: nothing was taken away`);
  return after;
}
