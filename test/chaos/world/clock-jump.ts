/**
 * Loaded first by every process of the platform: its wall clock is that of the machine and as many milliseconds
 * as a file says for its process, or for all (`all`). Time that only goes forward (`performance.now`) is left alone.
 * That it jumped is written beside the file.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isMainThread } from 'node:worker_threads';

const folder = process.env['CLOUDFLOW_CHAOS_CLOCKS'];
if (folder !== undefined && isMainThread) {
  const Real = Date;
  let offset = 0;
  const read = (name: string): number | null => {
    try {
      return Number(readFileSync(join(folder, name), 'utf8'));
    } catch {
      return null;
    }
  };
  class Jumping extends Real {
    constructor(...given: readonly unknown[]) {
      if (given.length === 0) super(Real.now() + offset);
      else super(...(given as [number]));
    }
    static override now(): number {
      return Real.now() + offset;
    }
  }
  globalThis.Date = Jumping as DateConstructor;
  setInterval(() => {
    const wanted = read(String(process.pid)) ?? read('all') ?? 0;
    if (wanted === offset) return;
    offset = wanted;
    writeFileSync(join(folder, `${process.pid}.at`), String(offset));
  }, 200).unref();
}
