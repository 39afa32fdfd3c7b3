/** What the operator adds to where the work of tenants may connect. Empty by default. */
export interface EgressPolicy {
  /** Exact `host:port` pairs, hosts as a URL writes them, IPv6 without brackets. */
  readonly allow: ReadonlySet<string>;
  /** Ports for HTTP besides 80, 443 and 8443. */
  readonly httpPorts: ReadonlySet<number>;
}

const DEFAULT_HTTP_PORTS = [80, 443, 8443];

/**
 * Reads `EGRESS_ALLOW` (`127.0.0.1:9000,[::1]:9000`) and `EGRESS_PORTS` (`8080,9443`). The first opens
 * private addresses, so it is refused in production: there is no way to switch the guard off there.
 */
export function readEgressPolicy(env: {
  readonly EGRESS_ALLOW?: string | undefined;
  readonly EGRESS_PORTS?: string | undefined;
  readonly STAGE?: string | undefined;
}): EgressPolicy {
  const pairs = listOf(env.EGRESS_ALLOW);
  const stage = (env.STAGE ?? '').toLowerCase();
  if (pairs.length > 0 && (stage === 'prod' || stage === 'production')) {
    throw new TypeError(
      `EGRESS_ALLOW is set and the stage is ${stage}; it is for development only`,
    );
  }
  const allow = new Set(pairs.map(readPair));
  const ports = listOf(env.EGRESS_PORTS).map((text) => {
    const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
    if (port < 1 || port > 65_535)
      throw new TypeError(`EGRESS_PORTS holds '${text}'; use 1 to 65535`);
    return port;
  });
  return { allow, httpPorts: new Set([...DEFAULT_HTTP_PORTS, ...ports]) };
}

/** The key of `EgressPolicy.allow` for a host and port. */
export function egressPair(host: string, port: number): string {
  return `${host.toLowerCase()}:${port}`;
}

function listOf(text: string | undefined): string[] {
  return (text ?? '')
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
}

function readPair(text: string): string {
  const match = /^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+):(\d{1,5})$/.exec(text);
  const port = Number(match?.[2]);
  const url = match === null ? null : URL.parse(`http://${match[1]}/`);
  if (url === null || !(port >= 1 && port <= 65_535)) {
    throw new TypeError(`EGRESS_ALLOW holds '${text}'; use host:port, exact, comma between pairs`);
  }
  return egressPair(url.hostname.replace(/^\[|\]$/g, ''), port);
}
