/**
 * Runs inside a network namespace that has nothing but loopback, where every hostile address is put on
 * `lo` with a canary behind it: a guard that fails is seen as a hit, and no packet can leave.
 * Prints one JSON object; egress-namespace.test.ts starts it with the name of an adapter and judges.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { connect, createServer, type Socket } from 'node:net';
import { createEgressGuard } from '#adapters/http/egress-guard.ts';
import { readEgressPolicy } from '#config/egress.ts';
import type { EgressGuard } from '#ports/egress.ts';
import type { HttpAnswer } from '#ports/http.ts';
import { CLIENTS, type ClientName } from './clients.ts';
import { HOSTILE_HOSTS, HOSTILE_V4, HOSTILE_V6 } from './hostile-addresses.ts';

/** Which adapter is looked at. */
const create = CLIENTS[process.argv[2] as ClientName];
const PUBLIC = '93.184.216.34';
const PORTS = [80, 443, 8443, 5432, 6379, 9001];
const HTTP_PORTS = [80, 443, 8443];
const HOSTILE = [...HOSTILE_V4, ...HOSTILE_V6];

execFileSync('ip', ['link', 'set', 'lo', 'up']);
// Some (multicast, broadcast, unspecified) are no addresses of an interface: those fail, as they should.
const additions = [PUBLIC, ...HOSTILE].map((address) =>
  address.includes(':') ? `addr add ${address}/128 dev lo nodad` : `addr add ${address}/32 dev lo`,
);
spawnSync('ip', ['-force', '-batch', '-'], { input: additions.join('\n') });

let canaryHits = 0;
let publicHits = 0;
/** Where the public server sends whoever asks. */
let location = '/';

const servers = PORTS.map((port) => {
  const server = createServer((socket: Socket) => {
    socket.on('error', () => socket.destroy());
    const isPublic = socket.localAddress === `::ffff:${PUBLIC}`;
    if (isPublic) publicHits += 1;
    else canaryHits += 1;
    socket.once('data', (data) => {
      const redirects = isPublic && data.toString('latin1').startsWith('GET /go');
      const status = redirects ? `302 Found\r\nlocation: ${location}` : '200 OK';
      socket.end(`HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-length: 2\r\n\r\nhi`);
    });
  });
  return new Promise<typeof server>((resolve) => {
    server.listen({ port, host: '::', ipv6Only: false }, () => resolve(server));
  });
});
const listening = await Promise.all(servers);

/** What the resolver answers next, by name; the last answer stays. */
const answers = new Map<string, (readonly string[])[]>();
let lookups = 0;
const guard = createEgressGuard({
  policy: readEgressPolicy({ EGRESS_PORTS: '9001', STAGE: 'production' }),
  resolver: {
    async resolve(host) {
      lookups += 1;
      const list = answers.get(host) ?? [];
      return (list.length > 1 ? list.shift() : list[0]) ?? [];
    },
  },
});

async function ask(with_: EgressGuard | null, url: string): Promise<HttpAnswer> {
  const client = with_ === null ? http : create({ guard: with_ });
  const answer = await client.request({
    tenant: 'hostile',
    method: 'GET',
    url,
    headers: {},
    secretHeaders: [],
    body: null,
    maxRedirects: 3,
    maxResponseBytes: 1000,
    signal: AbortSignal.timeout(5_000),
  });
  if (with_ !== null) await client.close();
  return answer;
}
const http = create({ guard });

/** Tries a target and counts how it ended. */
const ended: { [how: string]: number } = {};
const messages = new Set<string>();
let attempts = 0;
async function tryOne(url: string): Promise<void> {
  attempts += 1;
  const answer = await ask(null, url);
  const how = answer.ok ? 'answered' : answer.reason;
  ended[how] = (ended[how] ?? 0) + 1;
  if (!answer.ok) messages.add(`${answer.reason}: ${answer.message}`);
}

// The canaries sing: each address that could be put on lo is connected to directly.
let alive = 0;
for (const address of HOSTILE) {
  const connected = await new Promise<boolean>((resolve) => {
    const socket = connect({ host: address, port: 80, timeout: 500 });
    socket.on('connect', () => resolve(true));
    socket.on('timeout', () => resolve(false));
    socket.on('error', () => resolve(false));
    socket.on('connect', () => socket.destroy());
  });
  if (connected) alive += 1;
}
// And a guard that says yes to everything is seen.
canaryHits = 0;
const yes: EgressGuard = {
  vet: ({ host }) => Promise.resolve({ kind: 'open', address: host, operatorAllowed: false }),
};
for (const host of [
  '169.254.169.254',
  '127.0.0.1',
  '10.0.0.1',
  '[fd00:ec2::254]',
  '[::1]',
  '0x7f.1',
]) {
  await ask(yes, `http://${host}/`);
}
const brokenGuardHits = canaryHits;

canaryHits = 0;
const publicAnswer = await ask(null, `http://${PUBLIC}/`);
const counts: { [mode: string]: number } = {};
async function mode(name: string, work: () => Promise<void>): Promise<void> {
  const before = attempts;
  await work();
  counts[name] = attempts - before;
}

await mode('direct', async () => {
  for (const host of HOSTILE_HOSTS) {
    for (const port of PORTS) await tryOne(`http://${host}:${port}/`);
    await tryOne(`https://${host}/`);
  }
});
await mode('name', async () => {
  for (const [i, address] of HOSTILE.entries()) {
    answers.set(`only-${i}.test`, [[address]]);
    answers.set(`mixed-${i}.test`, [[PUBLIC, address]]);
    answers.set(`embedded-${i}.test`, [[address.includes(':') ? address : `::ffff:${address}`]]);
    for (const port of PORTS) {
      for (const kind of ['only', 'mixed', 'embedded'])
        await tryOne(`http://${kind}-${i}.test:${port}/`);
    }
  }
});
let pinned = 0;
let lookupsPerCall = 0;
await mode('rebinding', async () => {
  for (const [i, address] of HOSTILE.entries()) {
    for (const port of HTTP_PORTS) {
      answers.set(`rebind-${i}-${port}.test`, [[PUBLIC], [address]]);
      const before = { publicHits, lookups };
      await tryOne(`http://rebind-${i}-${port}.test:${port}/`);
      if (publicHits === before.publicHits + 1) pinned += 1;
      lookupsPerCall = Math.max(lookupsPerCall, lookups - before.lookups);
      for (let again = 0; again < 2; again++)
        await tryOne(`http://rebind-${i}-${port}.test:${port}/`);
    }
  }
});
await mode('redirect', async () => {
  for (const host of HOSTILE_HOSTS) {
    for (const port of HTTP_PORTS) {
      // A header is Latin-1: other digits travel as percent codes, which the URL parser undoes.
      location = `http://${host.replace(/[^!-~]/gu, encodeURIComponent)}:${port}/`;
      await tryOne(`http://${PUBLIC}/go`);
    }
  }
  for (const [i] of HOSTILE.entries()) {
    location = `http://only-${i}.test/`;
    await tryOne(`http://${PUBLIC}/go`);
  }
});

await http.close();
for (const server of listening) server.close();
process.stdout.write(
  JSON.stringify({
    alive,
    brokenGuardHits,
    publicAnswered: publicAnswer.ok,
    canaryHits,
    attempts,
    counts,
    ended,
    messages: [...messages],
    pinned,
    pinnedExpected: HOSTILE.length * HTTP_PORTS.length,
    lookupsPerCall,
  }),
);
