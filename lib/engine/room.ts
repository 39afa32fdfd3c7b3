/**
 * Room for executions in one process, shared among tenants.
 *
 *  F1 never more than `size` are here or promised;
 *  F2 a tenant is given more while it has fewer than `GREED` times as many as there are places free: alone
 *     it has four fifths of all, and what it leaves is for whoever comes. Places that become free go to those
 *     with few, until two that want everything have four ninths each. Nobody has a part set aside that lies
 *     idle while others wait.
 *
 * It is the dynamic threshold of switches that share one buffer among their ports (Choudhury and Hahne,
 * 1998): a threshold that follows what is free needs to know nothing of how many share, or of what they want.
 */
export interface Room {
  /** Places free, of all. */
  readonly free: number;
  /** How many more this tenant may have now. */
  leftOf(tenant: string): number;
  /** How many more one may have that has none here. */
  readonly share: number;
  /** Tenants that may have fewer more than `wanted`, and how many. */
  below(wanted: number): readonly (readonly [tenant: string, left: number])[];
  /** `tenant` null: nobody knows yet whose they are. */
  take(tenant: string | null, count?: number): void;
  give(tenant: string | null, count?: number): void;
}

export const GREED = 4;

export function createRoom(size: number): Room {
  const taken = new Map<string, number>();
  let all = 0;

  /** Each that is taken leaves one place less and so lowers the threshold by `GREED`. */
  function left(mine: number): number {
    const free = size - all;
    return Math.max(0, Math.min(free, Math.ceil((GREED * free - mine) / (1 + GREED))));
  }

  const room: Room = {
    get free() {
      return size - all;
    },
    leftOf: (tenant) => left(taken.get(tenant) ?? 0),
    get share() {
      return left(0);
    },
    below: (wanted) =>
      [...taken].flatMap(([tenant, mine]) => {
        const more = left(mine);
        return more < wanted ? [[tenant, more] as const] : [];
      }),
    take(tenant, count = 1) {
      all += count;
      if (tenant !== null) taken.set(tenant, (taken.get(tenant) ?? 0) + count);
    },
    give(tenant, count = 1) {
      all -= count;
      if (tenant === null) return;
      const rest = (taken.get(tenant) ?? 0) - count;
      if (rest > 0) taken.set(tenant, rest);
      else taken.delete(tenant);
    },
  };
  return room;
}
