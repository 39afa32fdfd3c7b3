/**
 * Definitions checked beside the event loop. This process serves API and engine in one thread, and the
 * largest definition (500 steps, 3,000 expressions) takes half a second of a core to check.
 *
 *  H1 Small definitions are checked at once, in the caller's thread: that is shorter than the way.
 *  H2 One thread, started when it is first needed; tenants take turns, and each has one check out.
 *  H3 Every accepted check is answered. A thread that dies takes its check with it, and the next one
 *     gets a new thread.
 */
import { Worker } from 'node:worker_threads';
import { checkDocument } from '#adapters/local/definition-checks.ts';
import { CloudFlowError } from '#core/errors.ts';
import { createFairQueue } from '#evaluator/fair-queue.ts';
import type {
  CheckedDocument,
  DefinitionCheck,
  DefinitionChecks,
} from '#ports/definition-checks.ts';

export interface ThreadedChecks extends DefinitionChecks {
  /** Checks that were done in the thread. */
  readonly threaded: number;
  close(): Promise<void>;
}

export interface CheckMessage {
  readonly id: number;
  readonly request: Omit<DefinitionCheck, 'tenant'>;
}

export type CheckedMessage =
  | { readonly id: number; readonly checked: CheckedDocument }
  | { readonly id: number; readonly error: string };

interface Job {
  readonly request: DefinitionCheck;
  readonly resolve: (checked: CheckedDocument) => void;
  readonly reject: (error: Error) => void;
}

/** A check of this much takes some ten milliseconds. */
const SMALL = { values: 1_500, expressions: 40 };
const WAITING = { items: 200, itemsPerTenant: 20, bytes: Number.POSITIVE_INFINITY };
const HEAP_MEGABYTES = 512;

export function createThreadedChecks(
  entry = new URL('./check-thread.ts', import.meta.url),
): ThreadedChecks {
  const queue = createFairQueue<Job>(WAITING, () => pump());
  let thread: Worker | null = null;
  let current: { readonly id: number; readonly tenant: string; readonly job: Job } | null = null;
  let count = 0;
  let closed = false;

  function pump(): void {
    if (closed || current !== null) return;
    const next = queue.take();
    if (next === null) return;
    thread ??= open();
    count += 1;
    current = { id: count, tenant: next.tenant, job: next.item };
    const { tenant: _, ...request } = next.item.request;
    thread.postMessage({ id: count, request } satisfies CheckMessage);
  }

  function open(): Worker {
    const made = new Worker(entry, {
      resourceLimits: { maxOldGenerationSizeMb: HEAP_MEGABYTES },
      stdout: false,
      stderr: false,
    });
    // It holds nothing up: whoever waits for an answer keeps the process alive.
    made.unref();
    made.on('message', (message: CheckedMessage) => {
      if (message.id !== current?.id) return;
      if ('checked' in message) settle((job) => job.resolve(message.checked));
      else settle((job) => job.reject(new Error(message.error)));
    });
    made.on('error', (error) => lost(made, error));
    made.on('exit', () => lost(made, new Error('the thread that checks definitions has ended')));
    return made;
  }

  function lost(which: Worker, error: unknown): void {
    if (thread !== which) return;
    thread = null;
    settle((job) => job.reject(error instanceof Error ? error : new Error(String(error))));
  }

  function settle(how: (job: Job) => void): void {
    if (current === null) return;
    const { tenant, job } = current;
    current = null;
    how(job);
    queue.release(tenant, 0);
    pump();
  }

  return {
    check(request) {
      if (isSmall(request.document)) return Promise.resolve().then(() => checkDocument(request));
      if (closed) return Promise.reject(unavailable());
      return new Promise((resolve, reject) => {
        if (!queue.add(request.tenant, { request, resolve, reject }, 0)) reject(unavailable());
        else pump();
      });
    },
    get threaded() {
      return count;
    },
    async close() {
      closed = true;
      for (const job of queue.drain()) job.reject(unavailable());
      const last = thread;
      settle((job) => job.reject(unavailable()));
      thread = null;
      await last?.terminate();
    },
  };
}

function unavailable(): CloudFlowError {
  return new CloudFlowError('UNAVAILABLE', 'too many large definitions are being checked');
}

/** Counts no further than it must. */
function isSmall(document: unknown): boolean {
  let { values, expressions } = SMALL;
  const open: unknown[] = [document];
  while (open.length > 0) {
    const value = open.pop();
    values -= 1;
    if (typeof value === 'string' && value.includes('{%'))
      expressions -= value.split('{%').length - 1;
    if (values < 0 || expressions < 0) return false;
    if (typeof value === 'object' && value !== null) open.push(...Object.values(value));
  }
  return true;
}
