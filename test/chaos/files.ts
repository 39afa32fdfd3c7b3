/** Files of one JSON object a line that are on the disk before anybody is told. */
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { createInterface } from 'node:readline';

export interface DurableLines {
  /** Resolves when the line is on the disk. What is written meanwhile shares the next sync. */
  write(value: object): Promise<void>;
  close(): Promise<void>;
}

export async function openLines(file: string): Promise<DurableLines> {
  const handle = await open(file, 'a', 0o600);
  let waiting: { readonly text: string; readonly done: (error: unknown) => void }[] = [];
  let writing: Promise<void> | null = null;

  async function drain(): Promise<void> {
    while (waiting.length > 0) {
      const taken = waiting;
      waiting = [];
      let failed: unknown = null;
      try {
        await handle.appendFile(taken.map(({ text }) => text).join(''));
        await handle.datasync();
      } catch (error) {
        failed = error;
      }
      for (const { done } of taken) done(failed);
    }
    writing = null;
  }

  return {
    write(value) {
      return new Promise((resolve, reject) => {
        const done = (error: unknown) => (error === null ? resolve() : reject(error));
        waiting.push({ text: `${JSON.stringify(value)}\n`, done });
        writing ??= drain();
      });
    },
    async close() {
      await writing;
      await handle.close();
    },
  };
}

/** Reads such a file; a last line that a crash has cut short is left out. */
export async function readLines<T>(file: string): Promise<T[]> {
  const lines: T[] = [];
  for await (const line of createInterface({ input: createReadStream(file) })) {
    try {
      lines.push(JSON.parse(line) as T);
    } catch {
      // Its writer died before it was told that the line is there.
    }
  }
  return lines;
}
