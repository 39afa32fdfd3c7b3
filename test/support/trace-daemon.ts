/** What X-Ray's daemon would be told: a real socket, and every document that came. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';

/** A segment, or a part of one, as X-Ray documents it. */
export interface SegmentDocument {
  readonly name: string;
  readonly id: string;
  readonly trace_id: string;
  readonly parent_id?: string;
  readonly type?: string;
  readonly start_time: number;
  readonly end_time: number;
  readonly error?: true;
  readonly fault?: true;
  readonly annotations: { readonly [name: string]: unknown };
}

export interface TraceDaemon {
  readonly address: string;
  readonly documents: SegmentDocument[];
  close(): Promise<void>;
}

export async function startTraceDaemon(): Promise<TraceDaemon> {
  const socket = createSocket('udp4');
  const documents: SegmentDocument[] = [];
  socket.on('message', (message) => {
    const [header = '', ...rest] = message.toString().split('\n');
    const { format, version } = JSON.parse(header) as { format: string; version: number };
    if (format !== 'json' || version !== 1) throw new Error(`no daemon reads ${header}`);
    documents.push(JSON.parse(rest.join('\n')) as SegmentDocument);
  });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  return {
    address: `127.0.0.1:${socket.address().port}`,
    documents,
    close: () => new Promise((resolve) => socket.close(() => resolve())),
  };
}
