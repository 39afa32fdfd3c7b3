/**
 * Places that a check of integrity may log in to with a token: it is told where, and must not be led
 * astray.
 */

/**
 * The database itself, or a cluster that was restored from it: of the same domain, which RDS gives to
 * one account in one region, under a name that only restores have.
 */
export function isRestoredHost(host: string, own: string, prefix: string): boolean {
  if (host === own) return true;
  const [name = '', ...domain] = host.split('.');
  const [, ...ownDomain] = own.split('.');
  return domain.length > 1 && domain.join('.') === ownDomain.join('.') && name.startsWith(prefix);
}

/**
 * A writer's endpoint of the cluster that `own` names without the part that RDS makes up:
 * `name.region.rds.amazonaws.com` for `name.cluster-abc123.region.rds.amazonaws.com`.
 */
export function isEndpointOf(host: string, own: string): boolean {
  if (host === own) return true;
  const [name = '', made = '', ...domain] = host.split('.');
  return /^cluster-[a-z0-9]+$/.test(made) && `${name}.${domain.join('.')}` === own;
}
