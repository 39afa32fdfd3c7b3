/**
 * Waiting work, tenant by tenant in turn.
 *
 * Q1 A tenant has at most one piece of work out at a time.
 * Q2 Within a tenant work leaves in the order in which it came; between tenants in turn.
 * Q3 What waits is bounded in number, in number per tenant, and in bytes.
 */
export interface FairQueue<T> {
  /** False when the queue is full for this tenant. */
  add(tenant: string, item: T, bytes: number): boolean;
  /** The next piece of work of a tenant that has none out and may be served; it then has. */
  take(
    mayBeServed?: (tenant: string) => boolean,
  ): { readonly tenant: string; readonly item: T } | null;
  /** The tenant's work is done; with `delayMs` it waits that long before its next. */
  release(tenant: string, delayMs: number): void;
  /** Puts back what was taken, to be the tenant's next. */
  putBack(tenant: string, item: T): void;
  /** Takes out what waits of one tenant, and the tenant out of its turn; its work out stays out. */
  remove(tenant: string): T[];
  /** Takes everything out. */
  drain(): T[];
  readonly size: number;
  /** What waits of one tenant, and what it has out. */
  pending(tenant: string): number;
}

export interface QueueBounds {
  readonly items: number;
  readonly itemsPerTenant: number;
  readonly bytes: number;
}

interface Line<T> {
  readonly waiting: { readonly item: T; readonly bytes: number }[];
  out: boolean;
  timer: NodeJS.Timeout | null;
}

/** `onRunnable` is called when work becomes takeable without a call to `add` or `release`. */
export function createFairQueue<T>(bounds: QueueBounds, onRunnable: () => void): FairQueue<T> {
  const lines = new Map<string, Line<T>>();
  /** Tenants with work and none out, in turn. */
  const turn = new Set<string>();
  let size = 0;
  let bytesHeld = 0;

  const settle = (tenant: string, line: Line<T>): void => {
    if (line.out || line.timer !== null) return;
    if (line.waiting.length > 0) turn.add(tenant);
    else lines.delete(tenant);
  };
  const lineOf = (tenant: string): Line<T> => {
    const line = lines.get(tenant) ?? { waiting: [], out: false, timer: null };
    lines.set(tenant, line);
    return line;
  };

  return {
    add(tenant, item, bytes) {
      const waiting = lines.get(tenant)?.waiting.length ?? 0;
      if (size >= bounds.items || waiting >= bounds.itemsPerTenant) return false;
      if (bytesHeld + bytes > bounds.bytes) return false;
      const line = lineOf(tenant);
      line.waiting.push({ item, bytes });
      size += 1;
      bytesHeld += bytes;
      settle(tenant, line);
      return true;
    },
    take(mayBeServed) {
      for (const tenant of turn) {
        if (mayBeServed?.(tenant) === false) continue;
        turn.delete(tenant);
        const line = lines.get(tenant);
        const next = line?.waiting.shift();
        if (line === undefined || next === undefined) continue;
        line.out = true;
        size -= 1;
        bytesHeld -= next.bytes;
        return { tenant, item: next.item };
      }
      return null;
    },
    release(tenant, delayMs) {
      const line = lineOf(tenant);
      line.out = false;
      if (delayMs > 0) {
        line.timer = setTimeout(() => {
          line.timer = null;
          settle(tenant, line);
          onRunnable();
        }, delayMs);
      }
      settle(tenant, line);
    },
    putBack(tenant, item) {
      lineOf(tenant).waiting.unshift({ item, bytes: 0 });
      size += 1;
    },
    remove(tenant) {
      const line = lines.get(tenant);
      if (line === undefined) return [];
      const taken = line.waiting.splice(0);
      turn.delete(tenant);
      for (const { bytes } of taken) bytesHeld -= bytes;
      size -= taken.length;
      settle(tenant, line);
      return taken.map(({ item }) => item);
    },
    drain() {
      const items: T[] = [];
      for (const line of lines.values()) {
        if (line.timer !== null) clearTimeout(line.timer);
        items.push(...line.waiting.map(({ item }) => item));
      }
      lines.clear();
      turn.clear();
      size = 0;
      bytesHeld = 0;
      return items;
    },
    get size() {
      return size;
    },
    pending(tenant) {
      const line = lines.get(tenant);
      return line === undefined ? 0 : line.waiting.length + (line.out ? 1 : 0);
    },
  };
}
