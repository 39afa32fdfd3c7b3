/**
 * Decides where the work of tenants may connect. Whoever opens a connection on a tenant's behalf asks
 * first, connects to the answered address and to no other, and shows the guard what it is connected
 * to before it sends anything.
 */
export interface EgressGuard {
  /** Resolves a host and judges every address it has. `purpose` selects the ports that may be used. */
  vet(target: EgressTarget): Promise<EgressAnswer>;
}

export interface EgressTarget {
  /** A name or an address; an IPv6 address without brackets. */
  readonly host: string;
  readonly port: number;
  readonly purpose: 'http' | 'database';
}

export type EgressAnswer =
  | {
      readonly kind: 'open';
      /** The one address to connect to. */
      readonly address: string;
      /** True when the operator listed exactly this host and port. */
      readonly operatorAllowed: boolean;
    }
  /** One answer for every target that may not be reached: why is not for the tenant to learn. */
  | { readonly kind: 'refused' }
  | { readonly kind: 'unresolved' };

/** Addresses of a name, IPv4 and IPv6. Empty: it has none. Rejects when nobody could be asked. */
export interface Resolver {
  resolve(host: string, options: { readonly local: boolean }): Promise<readonly string[]>;
}

/** The words for every refused target, on every path. */
export const EGRESS_REFUSED = 'the target is not one that this step may connect to';
