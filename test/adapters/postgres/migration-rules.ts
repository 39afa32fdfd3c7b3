/**
 * What a migration may not do in one step, because programs of the version before still run when it is
 * applied: first expand (add what is new, beside what is old), deploy, and contract (take away what
 * nobody uses any more) with a later release.
 *
 * A migration that contracts says so, and which earlier one made what it takes away needless:
 *
 *     -- contracts 0090-short-names.sql: no program reads workflows.title since
 */
export interface Breach {
  readonly statement: string;
  readonly why: string;
}

const RULES: readonly { readonly breaks: RegExp; readonly why: string }[] = [
  {
    breaks: /^drop\s+(?:table|view|materialized\s+view|function|procedure|type|schema|sequence)\b/,
    why: 'the version before may use it; drop it with a later release',
  },
  {
    breaks: /^alter\s+table\b.*\bdrop\s+(?!constraint\b|default\b|not\s+null\b|expression\b)/,
    why: 'the version before may read the column; drop it with a later release',
  },
  {
    breaks: /^alter\b.*\brename\b/,
    why: 'the version before knows the old name; add the new one beside it',
  },
  {
    breaks: /^alter\s+table\b.*\balter\s+(?:column\s+)?\S+\s+(?:set\s+data\s+)?type\b/,
    why: 'the version before reads and writes the old type; add another column',
  },
  {
    breaks: /^alter\s+table\b.*\bset\s+not\s+null\b/,
    why: 'the version before may write null; let a release fill it first',
  },
  {
    breaks:
      /^alter\s+table\b.*\badd\s+(?:column\s+)?(?!constraint\b)\S+\s+(?=[^,]*\bnot\s+null\b)(?![^,]*\bdefault\b)/,
    why: 'the version before writes rows without it; give it a default',
  },
  {
    breaks: /^alter\s+table\b.*\badd\s+(?:constraint\b|check\b|unique\b|foreign\b|primary\b)/,
    why: 'the version before may write what it refuses; hold the rule in code first',
  },
  {
    breaks: /^create\s+unique\s+index\b/,
    why: 'the version before may write the same twice; hold the rule in code first',
  },
  {
    breaks: /^revoke\b(?!.*\bfrom\s+public$)/,
    why: 'the version before may need the right; revoke it with a later release',
  },
];

/** Statements that programs of the version before may not survive; tables made in the file are its own. */
export function breachesOf(sql: string): readonly Breach[] {
  const statements = statementsOf(sql);
  const own = statements.flatMap(
    (each) => /^create\s+table\s+(?:if\s+not\s+exists\s+)?(\S+)/.exec(each)?.[1] ?? [],
  );
  const isOwn = (statement: string): boolean =>
    own.some((table) => new RegExp(`\\b(?:table|on)\\s+(?:only\\s+)?${table}\\b`).test(statement));
  return statements.flatMap((statement) => {
    const rule = RULES.find(({ breaks }) => breaks.test(statement));
    return rule === undefined || isOwn(statement) ? [] : [{ statement, why: rule.why }];
  });
}

/** The migration that made needless what this one takes away, by its name; null: it does not contract. */
export function contracts(sql: string): string | null {
  return /^-- contracts (\d{4}-[a-z0-9-]+\.sql): \S/m.exec(sql)?.[1] ?? null;
}

/** Statements on one line each, in small letters, without comments; bodies of functions are left out. */
function statementsOf(sql: string): readonly string[] {
  return sql
    .replaceAll(/\$(\w*)\$[\s\S]*?\$\1\$/g, "''")
    .replaceAll(/'(?:[^']|'')*'/g, "''")
    .replaceAll(/--.*$/gm, '')
    .replaceAll(/\/\*[\s\S]*?\*\//g, '')
    .split(';')
    .map((each) => each.replaceAll(/\s+/g, ' ').trim().toLowerCase())
    .filter((each) => each !== '');
}
