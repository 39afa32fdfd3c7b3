import pg from 'pg';

/** A statement of a release with its values, in the order in which it was asked. */
export interface Taped {
  /** Statements of one session share a number. */
  readonly session: number;
  readonly role: string;
  readonly text: string;
  readonly values: readonly TapedValue[];
  /** Rows that came back; null: another session was at work meanwhile, so it might have been others. */
  readonly rows: number | null;
}

type TapedValue =
  | string
  | number
  | boolean
  | null
  | { readonly bytes: string }
  | readonly TapedValue[];

/** Tapes what this process asks PostgreSQL for until `stop`. Statements that fail are left out. */
export function startTape(): { stop(): readonly Taped[] } {
  const taped: (Omit<Taped, 'rows'> & { rows: number | null; good: boolean; alone: boolean })[] =
    [];
  const underWay = new Set<(typeof taped)[number]>();
  const sessions = new Map<unknown, number>();
  const { query } = pg.Client.prototype;
  type Query = (...given: unknown[]) => unknown;
  const original = query as unknown as Query;
  const listening: Query = function (this: pg.Client, ...given) {
    const [first, second] = given;
    const config = (typeof first === 'string' ? { text: first } : first) as {
      readonly text?: string;
      readonly values?: unknown[];
    };
    const role = roleOf(this);
    // Sessions of the test itself are nobody's.
    if (config.text === undefined || role === null) return original.apply(this, given);
    const session = sessions.get(this) ?? sessions.size + 1;
    sessions.set(this, session);
    const values = Array.isArray(second) ? second : (config.values ?? []);
    const entry = {
      ...{ session, role, text: config.text, values: values.map(tapedValue) },
      ...{ rows: null as number | null, good: false, alone: underWay.size === 0 },
    };
    taped.push(entry);
    for (const other of underWay) other.alone = false;
    underWay.add(entry);
    const done = (result: { readonly rowCount: number | null } | undefined) => {
      underWay.delete(entry);
      entry.good = result !== undefined;
      if (entry.alone && result !== undefined) entry.rows = result.rowCount ?? 0;
    };
    const callback = given.at(-1);
    if (typeof callback === 'function') {
      const last = (error: unknown, result: { rowCount: number | null } | undefined) => {
        done(error === null || error === undefined ? result : undefined);
        (callback as Query)(error, result);
      };
      return original.apply(this, [...given.slice(0, -1), last]);
    }
    const answer = original.apply(this, given) as Promise<{ rowCount: number | null }>;
    answer.then(done, () => done(undefined));
    return answer;
  };
  Object.assign(pg.Client.prototype, { query: listening });
  return {
    stop() {
      Object.assign(pg.Client.prototype, { query });
      return taped.flatMap(({ good, alone, ...entry }) => (good ? [entry] : []));
    },
  };
}

function roleOf(client: pg.Client): string | null {
  const { connectionParameters } = client as unknown as {
    readonly connectionParameters: { readonly options?: string };
  };
  return /-c role=(\w+)/.exec(connectionParameters.options ?? '')?.[1] ?? null;
}

function tapedValue(value: unknown): TapedValue {
  if (Buffer.isBuffer(value)) return { bytes: value.toString('base64') };
  if (Array.isArray(value)) return value.map(tapedValue);
  if (value instanceof Date) return value.toISOString();
  if (typeof value === 'bigint') return String(value);
  if (value === undefined || value === null) return null;
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') {
    return value;
  }
  return JSON.stringify(value);
}

/**
 * Asks all of it again, as the same roles, one statement after the other. Answers what went otherwise
 * than it did: a statement that fails, or that finds another number of rows.
 */
export async function playTape(url: string, tape: readonly Taped[]): Promise<readonly string[]> {
  const sessions = new Map<number, pg.Client>();
  const wrong: string[] = [];
  try {
    for (const { session, role, text, values, rows } of tape) {
      let client = sessions.get(session);
      if (client === undefined) {
        const options = `-c role=${role} -c timezone=UTC -c lock_timeout=5s`;
        client = new pg.Client({ connectionString: url, options });
        await client.connect();
        sessions.set(session, client);
      }
      const asked = `${role}: ${text.replaceAll(/\s+/g, ' ').slice(0, 160)}`;
      try {
        const found = await client.query(text, values.map(playedValue));
        if (rows !== null && (found.rowCount ?? 0) !== rows) {
          wrong.push(`${asked}: ${found.rowCount} rows, ${rows} before`);
        }
      } catch (error) {
        wrong.push(`${asked}: ${(error as Error).message}`);
      }
    }
  } finally {
    await Promise.all([...sessions.values()].map((client) => client.end()));
  }
  return wrong;
}

function playedValue(value: TapedValue): unknown {
  if (Array.isArray(value)) return value.map(playedValue);
  return value !== null && typeof value === 'object' && 'bytes' in value
    ? Buffer.from(value.bytes, 'base64')
    : value;
}
