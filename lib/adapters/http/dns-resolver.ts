import { Resolver as DnsResolver, lookup } from 'node:dns/promises';
import type { Resolver } from '#ports/egress.ts';

const NO_ADDRESS = ['ENODATA', 'ENOTFOUND', 'EBADNAME'];

/**
 * Asks the name servers themselves. `getaddrinfo` would hold one of the four threads that file reads
 * and password hashes use too, for as long as a hostile name server cares to be silent; so it serves
 * only the operator's own names, which may stand in the hosts file.
 */
export function createDnsResolver(
  options: {
    readonly timeoutMs?: number;
    readonly tries?: number;
    /** `address:port` of name servers; absent: those of the system. */
    readonly servers?: readonly string[];
  } = {},
): Resolver {
  const dns = new DnsResolver({ timeout: options.timeoutMs ?? 2_000, tries: options.tries ?? 2 });
  if (options.servers !== undefined) dns.setServers(options.servers);
  return {
    async resolve(host, { local }) {
      if (local) return (await lookup(host, { all: true })).map(({ address }) => address);
      const answers = await Promise.allSettled([dns.resolve4(host), dns.resolve6(host)]);
      const addresses = answers.flatMap((answer) =>
        answer.status === 'fulfilled' ? answer.value : [],
      );
      const failure = answers.find(
        (answer) => answer.status === 'rejected' && !NO_ADDRESS.includes(answer.reason?.code),
      );
      if (addresses.length === 0 && failure?.status === 'rejected') throw failure.reason;
      return addresses;
    },
  };
}
