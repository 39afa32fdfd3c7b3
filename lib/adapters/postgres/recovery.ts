import pg from 'pg';

/** What a process may do that knows more than the database does, when it starts. */
export interface Recovery {
  /**
   * Ends every lease, of executions and of requests with an Idempotency-Key, so that what killed
   * processes had is taken over and repeated at once. Only for who knows that no other is alive;
   * `ownerUrl` is a superuser's, for no role of ours may look into the requests of all tenants.
   */
  endLeases(ownerUrl: string): Promise<void>;
  /** Executions that nobody has and that wake by themselves, the soonest first. */
  parked(): Promise<readonly ParkedExecution[]>;
}

export interface ParkedExecution {
  readonly tenant: string;
  readonly executionId: string;
  readonly wakeAt: number;
}

/** More are still found, by looking; only not to the millisecond of a virtual clock. */
const MAX_PARKED = 50_000;

/** `pool`: of the engine's role. */
export function createRecovery(pool: pg.Pool): Recovery {
  return {
    async endLeases(ownerUrl) {
      await pool.query(`update engine_processes set lease_until = '-infinity'`);
      const owner = new pg.Client({ connectionString: ownerUrl });
      await owner.connect();
      try {
        await owner.query('delete from idempotency_records where attempt is not null');
      } finally {
        await owner.end();
      }
    },
    async parked() {
      const { rows } = await pool.query<{ tenant_id: string; id: string; wake_at: number }>(
        `select tenant_id, id, wake_at from workflow_executions
         where owner is null and wake_at is not null order by wake_at limit $1`,
        [MAX_PARKED],
      );
      return rows.map((row) => ({
        tenant: row.tenant_id,
        executionId: row.id,
        wakeAt: row.wake_at,
      }));
    },
  };
}
