/**
 * HTTP load from a process of its own: keep-alive connections that each send one request after the
 * other. Works on sockets, since a client library would cost more than the servers it measures.
 *
 *   BENCH_LOAD='{"port":1,"request":"GET / HTTP/1.1\r\n...","connections":64,"seconds":5}' node load.ts
 */
import { connect } from 'node:net';
import { percentile } from './percentile.ts';

export interface Load {
  readonly port: number;
  /** The bytes of one whole request. */
  readonly request: string;
  readonly connections: number;
  readonly warmUpSeconds: number;
  readonly seconds: number;
}

export interface LoadResult {
  readonly requests: number;
  readonly perSecond: number;
  readonly p50: number;
  readonly p99: number;
  /** Answers that were not 2xx. */
  readonly refused: number;
  readonly firstRefusal: string | null;
  readonly bytes: number;
}

if (import.meta.main) {
  const load = JSON.parse(process.env['BENCH_LOAD'] ?? 'null') as Load;
  await run({ ...load, seconds: load.warmUpSeconds });
  process.send?.('measuring');
  process.stdout.write(`${JSON.stringify(await run(load))}\n`);
  process.disconnect?.();
}

async function run(load: Load): Promise<LoadResult> {
  const latencies: number[] = [];
  const seen = { refused: 0, firstRefusal: null as string | null, bytes: 0 };
  const from = performance.now();
  const until = from + load.seconds * 1_000;
  await Promise.all(
    Array.from({ length: load.connections }, () => converse(load, until, latencies, seen)),
  );
  const seconds = (performance.now() - from) / 1_000;
  return {
    requests: latencies.length,
    perSecond: latencies.length / seconds,
    p50: percentile(latencies, 50),
    p99: percentile(latencies, 99),
    ...seen,
  };
}

function converse(
  load: Load,
  until: number,
  latencies: number[],
  seen: { refused: number; firstRefusal: string | null; bytes: number },
): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port: load.port, host: '127.0.0.1', noDelay: true });
    let received = '';
    let sentAt = 0;
    const send = (): void => {
      sentAt = performance.now();
      received = '';
      socket.write(load.request);
    };
    socket.setEncoding('latin1');
    socket.once('connect', send);
    socket.once('error', reject);
    socket.once('close', () => resolve());
    socket.on('data', (part: string) => {
      received += part;
      const head = received.indexOf('\r\n\r\n');
      if (head === -1) return;
      const length = /\r\ncontent-length: (\d+)/i.exec(received);
      if (length === null) {
        socket.destroy(new Error(`an answer without a length: ${received.slice(0, head)}`));
        return;
      }
      const whole = head + 4 + Number(length[1]);
      if (received.length < whole) return;
      latencies.push(performance.now() - sentAt);
      seen.bytes = whole;
      if (received.charAt(9) !== '2') {
        seen.refused += 1;
        seen.firstRefusal ??= received.slice(0, 600);
      }
      if (performance.now() < until) send();
      else socket.destroy();
    });
  });
}
