import { openEventLog } from './open.ts';

/** Where a log is. */
export type LogAddress =
  | { readonly kind: 'kafka'; readonly brokers: readonly string[] }
  | { readonly kind: 'postgres'; readonly url: string };

// Run as a process: reads a topic, says when it has a batch, and never gives it back.
if (process.argv[2] !== undefined && process.send !== undefined) {
  const { topic, group, ...address } = JSON.parse(process.argv[2]) as LogAddress & {
    topic: string;
    group: string;
  };
  openEventLog(address).subscribe({
    group,
    topic,
    most: 100,
    handle({ messages }) {
      process.send?.(messages.length);
      return new Promise(() => undefined);
    },
  });
}
