import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { TABLES } from '#adapters/postgres/roles.ts';
import { CHECKS } from './checks.ts';
import { type Removal, ROOT, replacing, type SourceRemoval } from './removal.ts';
import { SECOND_CHECKS } from './second-checks.ts';
import { SIGN_IN_CHECKS } from './sign-in-checks.ts';
import { tenantFilters } from './tenant-filters.ts';

/**
 * Every check of tenancy and identity that can be taken away alone: the tenant of a statement, a permission, the
 * policies of a table, a test of a credential.
 */
const TENANCY = 'test/adapters/postgres/tenancy.test.ts';

function policies(): Removal[] {
  return Object.entries(TABLES)
    .filter(([, { tenant }]) => tenant)
    .map(([table]) => ({
      name: `policies of ${table}`,
      statement: `alter table ${table} disable row level security`,
      tests: [TENANCY],
      first: 'forces row security',
    }));
}

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
  ...SECOND_CHECKS,
  ...SIGN_IN_CHECKS,
  ...samlChecks,
  ...policies(),
  ...tenantFilters(),
];

/** The file without the check; throws where there is nothing to take away. */
export function spoilt(removal: SourceRemoval): string {
  const before = readFileSync(join(ROOT, removal.file), 'utf8');
  const after = removal.spoil(before);
  if (after === before) throw new Error(`${removal.name}: nothing was taken away`);
  return after;
}
