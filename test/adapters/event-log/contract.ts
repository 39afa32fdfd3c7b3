import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeAll, expect, it } from 'vitest';
import {
  EVENT_LOG_LIMITS,
  type EventLog,
  type LogBatch,
  type LogMessage,
  type NewMessage,
} from '#ports/event-log.ts';
import { OTHER_TENANT, TENANT } from '#test/support/platform.ts';
import type { LogAddress } from './process.ts';

export interface TestedLog {
  readonly address: LogAddress;
  /** Another client of the same log. */
  open(): EventLog;
  /** A new topic that is empty. */
  topic(): Promise<string>;
  /** Of each topic. */
  readonly partitions: number;
}

const PROCESS = fileURLToPath(new URL('./process.ts', import.meta.url));
const numbered = (n: number, key = `k${n % 5}`): NewMessage => ({
  tenant: TENANT,
  key,
  value: JSON.stringify({ n }),
  headers: {},
});
const numberOf = ({ value }: LogMessage): number => (JSON.parse(value) as { n: number }).n;

/** What every adapter of `EventLog` holds; the suite is run on each of them. */
export function eventLogContract(
  describeWith: (name: string, body: () => void) => void,
  name: string,
  start: () => Promise<TestedLog>,
): void {
  describeWith(`the event log, ${name}`, () => {
    let log: TestedLog;
    const open: EventLog[] = [];
    const client = (): EventLog => {
      const made = log.open();
      open.push(made);
      return made;
    };
    /** Collects what a group gets until there is enough. */
    function collect(from: EventLog, group: string, topic: string, most = 500) {
      const got: LogMessage[] = [];
      const batches: LogBatch[] = [];
      const subscription = from.subscribe({
        group,
        topic,
        most,
        async handle(batch) {
          batches.push(batch);
          got.push(...batch.messages);
          return batch.messages.length;
        },
      });
      const until = (count: number) =>
        expect.poll(() => got.length, { timeout: 50_000 }).toBeGreaterThanOrEqual(count);
      return { got, batches, subscription, until };
    }

    beforeAll(async () => {
      log = await start();
    });
    afterEach(async () => {
      await Promise.all(open.splice(0).map((each) => each.close()));
    });

    it('gives every group all messages from the earliest on, with key, headers and tenant', async () => {
      const topic = await log.topic();
      const before = Date.now();
      const message: NewMessage = {
        tenant: OTHER_TENANT,
        key: 'a key: with, signs',
        value: '{"text":"ein Stück"}',
        headers: { trace: 'abc' },
      };
      const one = client();
      await one.append(topic, [message]);
      for (const group of ['first', 'second']) {
        const { got, until, batches } = collect(client(), `${topic}-${group}`, topic);
        await until(1);
        expect(got[0]).toMatchObject(message);
        expect(got[0]!.at).toBeGreaterThan(before - 60_000);
        expect(batches[0]!.topic).toBe(topic);
      }
    });

    it('keeps the order of each key, through many calls at a time', async () => {
      const topic = await log.topic();
      const one = client();
      const count = 3_000;
      await Promise.all(
        Array.from({ length: 30 }, (_, call) =>
          one.append(
            topic,
            Array.from({ length: count / 30 }, (_, i) => numbered((call * count) / 30 + i)),
          ),
        ),
      );
      const { got, until, batches } = collect(client(), `${topic}-g`, topic, 500);
      await until(count);
      expect(got).toHaveLength(count);
      for (const [, own] of Map.groupBy(got, ({ key }) => key)) {
        const numbers = own.map(numberOf);
        expect(numbers).toEqual([...numbers].sort((a, b) => a - b));
      }
      expect(Math.max(...batches.map(({ messages }) => messages.length))).toBeLessThanOrEqual(500);
      for (const { messages, partition } of batches) {
        expect(partition).toBeLessThan(log.partitions);
        expect(messages.length).toBeGreaterThan(0);
      }
    });

    it('brings again what was not handled, in order, and nothing that was', async () => {
      const topic = await log.topic();
      const one = client();
      await one.append(
        topic,
        [1, 2, 3, 4, 5].map((n) => numbered(n, 'same')),
      );
      const seen: number[][] = [];
      one.subscribe({
        group: `${topic}-g`,
        topic,
        most: 10,
        async handle({ messages }) {
          seen.push(messages.map(numberOf));
          if (seen.length === 1) return 2;
          if (seen.length === 2) throw new Error('not now');
          return messages.length;
        },
      });
      await expect.poll(() => seen.at(-1)?.at(-1), { timeout: 50_000 }).toBe(5);
      await expect.poll(() => seen.length, { timeout: 50_000 }).toBeGreaterThanOrEqual(3);
      const flat = seen.flat();
      expect(flat.filter((n) => n <= 2)).toEqual([1, 2]);
      expect(seen[1]![0]).toBe(3);
      expect(seen[2]).toEqual(seen[1]);
    });

    it('a group that never gets on holds back no other', async () => {
      const topic = await log.topic();
      const one = client();
      await one.append(
        topic,
        [1, 2, 3].map((n) => numbered(n)),
      );
      let tries = 0;
      one.subscribe({
        ...{ group: `${topic}-stuck`, topic, most: 10 },
        async handle() {
          tries += 1;
          throw new Error('never');
        },
      });
      await expect.poll(() => tries, { timeout: 50_000 }).toBeGreaterThan(0);
      const { got, until } = collect(client(), `${topic}-well`, topic);
      await until(3);
      await one.append(topic, [numbered(4)]);
      await until(4);
      const before = tries;
      expect(got.map(numberOf).sort()).toEqual([1, 2, 3, 4]);
      // And it has not been given up.
      await expect.poll(() => tries, { timeout: 50_000 }).toBeGreaterThan(before);
    });

    it('goes on where a group stood, after a close that waits for the batch under way', async () => {
      const topic = await log.topic();
      const one = client();
      await one.append(
        topic,
        [1, 2].map((n) => numbered(n, 'same')),
      );
      let release: (() => void) | null = null;
      const handled: number[] = [];
      const first = one.subscribe({
        group: `${topic}-g`,
        topic,
        most: 10,
        async handle({ messages }) {
          await new Promise<void>((resolve) => {
            release = resolve;
          });
          handled.push(...messages.map(numberOf));
          return messages.length;
        },
      });
      await expect.poll(() => release, { timeout: 50_000 }).not.toBeNull();
      let closed = false;
      const closing = first.close().then(() => {
        closed = true;
      });
      await new Promise((resolve) => setTimeout(resolve, 100));
      expect(closed).toBe(false);
      (release as unknown as () => void)();
      await closing;
      expect(handled).toEqual([1, 2]);
      await one.append(topic, [numbered(3, 'same')]);
      const { got, until } = collect(client(), `${topic}-g`, topic);
      await until(1);
      expect(got.map(numberOf)).toEqual([3]);
    });

    it('gives what a reader had to another when its process is killed before it commits', async () => {
      const topic = await log.topic();
      const one = client();
      await one.append(
        topic,
        Array.from({ length: 20 }, (_, n) => numbered(n)),
      );
      const child = fork(
        PROCESS,
        [JSON.stringify({ ...log.address, topic, group: `${topic}-g` })],
        { execArgv: [], stdio: ['ignore', 'ignore', 'inherit', 'ipc'] },
      );
      const exited = once(child, 'exit');
      // It holds a batch that it has handled and does not commit.
      await once(child, 'message');
      child.kill('SIGKILL');
      await exited;
      const { got, until } = collect(client(), `${topic}-g`, topic);
      await until(20);
      expect(got.map(numberOf).sort((a, b) => a - b)).toEqual(
        Array.from({ length: 20 }, (_, n) => n),
      );
    });

    it('shares a topic among readers of a group, also when one comes and one goes', async () => {
      const topic = await log.topic();
      const producer = client();
      const group = `${topic}-g`;
      const first = collect(client(), group, topic);
      await producer.append(
        topic,
        Array.from({ length: 50 }, (_, n) => numbered(n, `k${n}`)),
      );
      await first.until(50);
      const second = collect(client(), group, topic);
      await new Promise((resolve) => setTimeout(resolve, 500));
      await producer.append(
        topic,
        Array.from({ length: 50 }, (_, n) => numbered(50 + n, `k${n}`)),
      );
      const both = () => new Set([...first.got, ...second.got].map(numberOf));
      await expect.poll(() => both().size, { timeout: 50_000 }).toBe(100);
      await first.subscription.close();
      await producer.append(
        topic,
        Array.from({ length: 50 }, (_, n) => numbered(100 + n, `k${n}`)),
      );
      await expect.poll(() => both().size, { timeout: 50_000 }).toBe(150);
      const late = second.got.map(numberOf).filter((n) => n >= 100);
      expect(new Set(late).size).toBe(50);
    });

    it('reads a topic again from a time, once nobody of the group reads it', async () => {
      const topic = await log.topic();
      const one = client();
      const group = `${topic}-g`;
      await one.append(topic, [numbered(1, 'same')]);
      await new Promise((resolve) => setTimeout(resolve, 50));
      const between = Date.now();
      await new Promise((resolve) => setTimeout(resolve, 50));
      await one.append(topic, [numbered(2, 'same')]);
      const first = collect(one, group, topic);
      await first.until(2);
      await expect(one.seek(group, topic, 0)).rejects.toMatchObject({ code: 'GROUP_IS_READING' });
      await first.subscription.close();
      await one.seek(group, topic, between);
      const second = collect(client(), group, topic);
      await second.until(1);
      expect(second.got.map(numberOf)).toEqual([2]);
      await second.subscription.close();
      await one.seek(group, topic, 0);
      const third = collect(client(), group, topic);
      await third.until(2);
      expect(third.got.map(numberOf)).toEqual([1, 2]);
      await third.subscription.close();
      await one.seek(group, topic, Date.now() + 1_000_000);
      await one.append(topic, [numbered(3, 'same')]);
      const fourth = collect(client(), group, topic);
      await fourth.until(1);
      expect(fourth.got.map(numberOf)).toEqual([3]);
    });

    it('refuses a message that is too large, and takes one that is just not', async () => {
      const topic = await log.topic();
      const one = client();
      const overhead = Buffer.byteLength(JSON.stringify({ text: '' })) + 1;
      const sized = (bytes: number): NewMessage => ({
        tenant: TENANT,
        key: 'k',
        value: JSON.stringify({ text: 'x'.repeat(bytes - overhead) }),
        headers: {},
      });
      const limit = EVENT_LOG_LIMITS.messageBytes;
      await expect(one.append(topic, [sized(100), sized(limit + 1)])).rejects.toMatchObject({
        code: 'MESSAGE_TOO_LARGE',
        message: `a message to ${topic} has ${limit + 1} bytes; use at most ${limit}`,
      });
      await one.append(topic, [sized(limit)]);
      const { got, until } = collect(one, `${topic}-g`, topic);
      await until(1);
      expect(got).toHaveLength(1);
      expect(got[0]!.value.length).toBe(limit - 1);
    });

    it('writes more than one request takes, and keeps its order', async () => {
      const topic = await log.topic();
      const one = client();
      const pad = 'x'.repeat(400_000);
      const messages = Array.from({ length: 8 }, (_, n) => ({
        tenant: TENANT,
        key: 'same',
        value: JSON.stringify({ n, pad }),
        headers: {},
      }));
      await one.append(topic, messages);
      const { got, until } = collect(one, `${topic}-g`, topic);
      await until(8);
      expect(got.map(numberOf)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    });

    it('refuses a reader that asks for more at a time than there may be', async () => {
      const topic = await log.topic();
      const handle = async () => 0;
      expect(() => client().subscribe({ group: 'g', topic, most: 2_001, handle })).toThrow(
        'a reader asks for 2001 messages at a time; use 1 to 2000',
      );
    });

    it('writes what was appended before it closes', async () => {
      const topic = await log.topic();
      const one = log.open();
      const written = one.append(topic, [numbered(1)]);
      await one.close();
      await written;
      const { until } = collect(client(), `${topic}-g`, topic);
      await until(1);
    });
  });
}
