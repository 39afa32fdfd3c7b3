/**
 * What CloudWatch hides of lines of logs, wherever they are read, and tells where it was. Programs of ours
 * log nothing of tenants (`core/log-catalog.ts`); this is for what comes past them: a runtime that dies
 * with an input in its message, a database that repeats a statement.
 */
export const HIDDEN = [
  'EmailAddress',
  'CreditCardNumber',
  'PhoneNumber-US',
  'PhoneNumber-GB',
  'PhoneNumber-DE',
  'PhoneNumber-FR',
  'PhoneNumber-ES',
  'AwsSecretKey',
  'OpenSshPrivateKey',
  'PgpPrivateKey',
  'PkcsPrivateKey',
  'PuttyPrivateKey',
] as const;

/** Credentials of ours, in the expressions that CloudWatch takes: without groups. */
export const HIDDEN_OF_OURS = [
  { Name: 'ApiKey', Regex: 'cfk_[a-z]{4}_[A-Za-z0-9_-]{8,}' },
  { Name: 'Token', Regex: 'eyJ[A-Za-z0-9_-]{8,}\\.[A-Za-z0-9_-]{8,}\\.[A-Za-z0-9_-]{8,}' },
] as const;

/** Where CloudWatch tells what it hid: in which group and stream, never what. */
export function findingsLog(stage: string): string {
  return `/aws/vendedlogs/cloudflow-${stage}-findings`;
}

/** Logs that are left as they are: their names end so. Looking through a log costs a quarter of taking it in. */
export const NOT_LOOKED_THROUGH = {
  findings: 'holds what was found, and nothing of it',
  flow: 'addresses and ports alone',
} as const;

export function isLookedThrough(logGroup: string): boolean {
  return !Object.keys(NOT_LOOKED_THROUGH).some((name) => new RegExp(`[-/]${name}$`).test(logGroup));
}
