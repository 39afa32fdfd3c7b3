/** One of the engines of `scale.ts`: gets ready, waits for the word, runs its part, and says that it is done. */
import { once } from 'node:events';
import { chainOf } from '#test/support/platform.ts';
import { openOurs } from './ours.ts';
import { drive } from './shapes.ts';

export interface Part {
  readonly url: string;
  readonly count: number;
}

const [part] = (await once(process, 'message')) as [Part];
const { platform, submit } = openOurs(part.url, chainOf(4));
await platform.engine.start();
await drive({ submit }, { kind: 'closed', count: 300, inFlight: 50 });
process.send?.('ready');
await once(process, 'message');
const latencies = await drive({ submit }, { kind: 'closed', count: part.count, inFlight: 100 });
process.send?.({ latencies });
await once(process, 'message');
await platform.close();
process.disconnect();
