import { globSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { TABLES } from '#adapters/postgres/roles.ts';
import { type Removal, ROOT } from './removal.ts';

const WALLS = 'test/functions/walls.test.ts';
const STATEMENTS = 'test/adapters/postgres/statement-walls.test.ts';
const PEOPLE = 'test/adapters/postgres/statement-walls-people.test.ts';
const IDENTITY = 'test/functions/identity.test.ts';
const WORK = 'test/adapters/postgres/statement-walls-work.test.ts';
const PROVIDERS = 'test/adapters/postgres/statement-walls-providers.test.ts';

/** Where a statement asks for rows of one tenant. A digest is the whole key of its table: nothing can differ there. */
const FILTER = /(?<![.\w])(?:\w+\.)?tenant_id = \$(\d)(?!\d)(?! and (?:\w+\.)?digest = )/g;
/** The table of tenants is filtered by its own id. */
const OWN_FILTER = /(?<![.\w])(?:\w+\.)?id = \$(\d)(?=\s)/g;
const OF_TENANTS = 'lib/adapters/postgres/tenant-store.ts';

const TENANTS_TABLES = Object.entries(TABLES)
  .filter(([, { tenant }]) => tenant)
  .map(([table]) => table);
const ON_TENANTS = new RegExp(`\\b(?:from|join|update|into)\\s+(?:${TENANTS_TABLES.join('|')})\\b`);

/** Every file of statements on rows of tenants. */
export const OF_ROWS: readonly string[] = globSync('lib/adapters/postgres/*.ts', { cwd: ROOT })
  .filter((file) => ON_TENANTS.test(readFileSync(join(ROOT, file), 'utf8')))
  .sort();

/** Every file with such a statement: a store is here the day it appears. */
export const STORES: readonly string[] = globSync('lib/adapters/postgres/*.ts', { cwd: ROOT })
  .filter((file) => file === OF_TENANTS || readFileSync(join(ROOT, file), 'utf8').match(FILTER))
  .sort();

/**
 * The other files with a statement on rows of tenants, each with why it names none: what it reads is of all at
 * once, for programs of ours alone, or each row that it writes brings its tenant along.
 */
export const ACROSS: Readonly<Record<string, string>> = {
  'audit-doings': 'writes a row with the tenant in it',
  backlog: 'counts what waits, for the alarm of operators',
  'event-backlog': 'counts what waits, for the alarm of operators',
  'event-log': 'writes messages with their tenant, and reads the log of all for its readers',
  'held-backlog': 'counts what is held, for the alarm of operators',
  'hot-workflows': 'finds the workflows that are asked for most, to warm caches',
  'old-secrets': 'finds secrets that are old, and tells each tenant of its own',
  outbox: 'hands on what was written, each message with its tenant',
  projections: 'adds events up, each under the tenant that is in it',
  recovery: 'finds what was accepted and is done by nobody',
  'tell-changes': 'writes a row with the tenant in it',
  'tenant-maker': 'makes the tenant',
};

const SEALED = ['test/adapters/postgres/audit-trail.test.ts', 'test/functions/audit.test.ts'];
const ELSEWHERE = [WALLS, IDENTITY];
const OF_PEOPLE = [PEOPLE, STATEMENTS, ...ELSEWHERE];
const OF_ALL = [STATEMENTS, PEOPLE, ...ELSEWHERE];
type Watch = readonly [tests: readonly string[], first?: string];
const WATCHED: Watch = [OF_ALL];
/** Who notices what is taken from a store, where that is not `WATCHED`; and what titles of those hold that usually do. */
const NOTICED_BY: Readonly<Record<string, Watch>> = {
  access: [OF_ALL, 'executions and approvals'],
  answers: [OF_ALL, 'approvals'],
  'api-keys': [OF_PEOPLE, 'keys: '],
  'audit-sealer': [SEALED],
  'audit-trail': [OF_PEOPLE, 'the audit trail'],
  'bulk-operations': [[WORK], 'bulk operations'],
  'collect-secrets': [[WORK], 'secrets: '],
  'commanded-signals': [[WORK], 'commands: '],
  'connection-store': [OF_ALL, 'connections: '],
  'dead-letters': [[WORK], 'dead letters'],
  'external-sign-in': [[PROVIDERS], '(identities|providers): '],
  'idempotency-store': [[WORK], 'kept answers'],
  'identity-provider-store': [[PROVIDERS], 'providers: '],
  'kept-secrets': [[WORK], 'secrets: '],
  'list-executions': [[STATEMENTS, WORK], '(executions and approvals|limits: )'],
  'one-time-tokens': [[PROVIDERS], 'tokens: '],
  ownership: [[WORK], 'the engine and the recorder'],
  quarantine: [[WORK], 'that are set aside'],
  recorder: [[WORK], 'the engine and the recorder'],
  'role-store': [OF_PEOPLE, '(roles|users): '],
  'second-factors': [OF_PEOPLE, 'second factors'],
  'session-store': [[PEOPLE, PROVIDERS, STATEMENTS, ...ELSEWHERE], 'sessions: '],
  'start-limits': [[WORK], 'limits: '],
  'step-functions-work': [[WORK]],
  'task-tokens': [[WORK], 'tokens of tasks'],
  'tenant-store': [OF_PEOPLE, 'tenants: '],
  'user-store': [OF_PEOPLE, 'users: '],
  'workflow-store': [OF_ALL, 'workflows: '],
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

/** Every such place, but for those that are said to be needless. */
export function tenantFilters(): Removal[] {
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
      const [tests, first] = NOTICED_BY[basename(file, '.ts')] ?? WATCHED;
      return {
        name: `tenant of the statement at ${file}:${line}`,
        file,
        // Always true, and still a use of the parameter.
        spoil: (all) =>
          `${all.slice(0, index)}($${parameter}::uuid is not null or ${filter})${all.slice(index + filter.length)}`,
        tests,
        ...(first === undefined ? {} : { first }),
      };
    });
  });
}
