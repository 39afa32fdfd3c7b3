import { type EgressPolicy, egressPair } from '#config/egress.ts';
import { isPublicAddress, parseAddress } from '#core/address.ts';
import type { EgressAnswer, EgressGuard, EgressTarget, Resolver } from '#ports/egress.ts';

/**
 * The egress guard.
 *
 *  G1 a host is judged by its addresses, never by its text; one forbidden address refuses it.
 *  G2 a name is resolved once per connection, and the connection goes to an address judged then: what
 *     the name says later (rebinding) does not matter.
 *  G3 only an exact `host:port` pair of the operator passes without being judged.
 */
export function createEgressGuard(options: {
  readonly policy: EgressPolicy;
  readonly resolver: Resolver;
}): EgressGuard {
  const { policy, resolver } = options;
  return {
    async vet(target: EgressTarget): Promise<EgressAnswer> {
      const host = target.host.toLowerCase();
      const operatorAllowed = policy.allow.has(egressPair(host, target.port));
      if (!operatorAllowed && !mayUsePort(target, policy)) return { kind: 'refused' };

      const literal = parseAddress(host) !== null;
      const addresses = literal ? [host] : await resolver.resolve(host, { local: operatorAllowed });
      if (!operatorAllowed && addresses.some((address) => !isPublicAddress(address))) {
        return { kind: 'refused' };
      }
      const address = choose(addresses, target.purpose);
      return address === undefined
        ? { kind: 'unresolved' }
        : { kind: 'open', address, operatorAllowed };
    },
  };
}

/** A database may listen anywhere but on the ports of the system's own services. */
function mayUsePort(target: EgressTarget, policy: EgressPolicy): boolean {
  return target.purpose === 'http'
    ? policy.httpPorts.has(target.port)
    : target.port >= 1024 && target.port <= 65_535;
}

/**
 * IPv4 first: a network without IPv6 is still more common than one without IPv4. Databases keep a
 * pool per address, so there the order of the answer (which rotates) is not followed.
 */
function choose(
  addresses: readonly string[],
  purpose: EgressTarget['purpose'],
): string | undefined {
  const four = addresses.filter((address) => !address.includes(':'));
  const candidates = four.length > 0 ? four : [...addresses];
  return purpose === 'database' ? candidates.sort()[0] : candidates[0];
}
