/**
 * Whether a host is the database itself or one that was restored from it: the same domain, which RDS
 * gives to one account in one region, under a name that only restores have. Whoever looks into a
 * database logs in there with a token, so that it is not sent to any other place.
 */
export function isRestoredHost(host: string, own: string, prefix: string): boolean {
  if (host === own) return true;
  const [name = '', ...domain] = host.split('.');
  const [, ...ownDomain] = own.split('.');
  return domain.length > 1 && domain.join('.') === ownDomain.join('.') && name.startsWith(prefix);
}
