import { randomBytes } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';
import { parseTrace, rootOf, type Trace } from '#core/trace.ts';
import type { SpanFacts, Tracer } from '#ports/tracer.ts';

/** Where the daemon of X-Ray listens where nobody says otherwise. */
const USUAL_ADDRESS = '127.0.0.1:2000';
const HEADER = '{"format":"json","version":1}\n';
/** What is on its way at a time; more is not told, for a trace is worth no memory. */
const MAX_PENDING = 256;

export interface XrayTracer extends Tracer {
  /** Resolves when all that was told has left this process. Never rejects. */
  settled(): Promise<void>;
  close(): void;
}

/**
 * Tells X-Ray by its daemon: a datagram for each piece of work, to an agent beside us that nobody waits
 * for. On Lambda the daemon is Lambda's, and what is told goes under the segment that Lambda made.
 *
 * Our own, and not the SDK for X-Ray (only mended since February 2026) nor OpenTelemetry (its SDK with an
 * exporter is several times what functions of the API have left): a segment is one object of eight fields.
 */
export function createXrayTracer(options: {
  /** Of this program: what its segments are called. */
  readonly name: string;
  /** `lambda`: Lambda says per call where it stands. */
  readonly host: 'lambda' | 'container';
  /** Real milliseconds since the epoch. */
  readonly now: () => number;
  /** Default: that of the process, which Lambda changes with every call. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
}): XrayTracer {
  const { name, host, now, environment = process.env } = options;
  const [address = '', port = ''] = splitAddress(environment['AWS_XRAY_DAEMON_ADDRESS']);
  let socket: Socket | null = null;
  let pending = 0;
  let waiting: (() => void)[] = [];

  function tell(document: object): void {
    if (pending >= MAX_PENDING) return;
    pending++;
    if (socket === null) {
      socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
      // Nobody may be listening; a program does not end over that, nor stay for it.
      socket.on('error', () => undefined);
      socket.unref();
    }
    socket.send(HEADER + JSON.stringify(document), Number(port), address, () => {
      pending--;
      if (pending > 0) return;
      for (const resolve of waiting) resolve();
      waiting = [];
    });
  }

  const ambient = (): Trace | null =>
    host === 'lambda' ? parseTrace(environment['_X_AMZN_TRACE_ID']) : null;

  return {
    ambient,

    begin(what, under) {
      if (under === null || !under.sampled) return { trace: under, end: () => undefined };
      const id = randomBytes(8).toString('hex');
      const from = now();
      // What a batch brings was caused in traces of their own.
      const isOfCall = host === 'lambda' && ambient()?.id === under.id;
      let isOver = false;
      return {
        trace: { ...under, parent: id },
        end(outcome, facts) {
          if (isOver) return;
          isOver = true;
          tell({
            // Of a call of Lambda's there is a segment already, and here are parts of it.
            ...(isOfCall && under.parent !== null ? { type: 'subsegment', name: what } : { name }),
            id,
            ...placeOf(under),
            start_time: from / 1_000,
            end_time: now() / 1_000,
            ...(outcome === 'ok' ? {} : { [outcome]: true }),
            annotations: annotationsOf({ what, ...facts }),
          });
        },
      };
    },

    settled: () =>
      pending === 0 ? Promise.resolve() : new Promise((resolve) => waiting.push(resolve)),

    close() {
      socket?.close();
      socket = null;
    },
  };
}

function placeOf({ id, parent }: Trace) {
  return { trace_id: rootOf(id), ...(parent === null ? {} : { parent_id: parent }) };
}

/** X-Ray finds traces by these. */
function annotationsOf(facts: SpanFacts & { readonly what: string }): object {
  return Object.fromEntries(Object.entries(facts).filter(([, value]) => value !== undefined));
}

/** `host:port`, or as the daemon may also be named: `tcp:host:port udp:host:port`. */
function splitAddress(given: string | undefined): readonly string[] {
  const said = given === undefined || given === '' ? USUAL_ADDRESS : given;
  const udp = said.split(' ').find((part) => part.startsWith('udp:'));
  const text = udp === undefined ? said : udp.slice('udp:'.length);
  const at = text.lastIndexOf(':');
  return [text.slice(0, at), text.slice(at + 1)];
}
