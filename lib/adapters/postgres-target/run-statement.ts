import pg from 'pg';
import type { Json } from '#core/json.ts';
import type { DatabaseRequest, DatabaseResult } from '#ports/databases.ts';
import { UnfitColumn } from './column-types.ts';
import { type GuardedClient, TooMuchData } from './guarded-client.ts';

/**
 * Runs the one statement of an operation and collects its rows up to the limit. One row too many cuts
 * the connection at once: the rest would have to be received and thrown away.
 */
export function runStatement(
  client: GuardedClient,
  request: Pick<DatabaseRequest, 'text' | 'values' | 'maxRows'>,
): Promise<DatabaseResult> {
  return new Promise((resolve, reject) => {
    const rows: { [column: string]: Json }[] = [];
    const config = {
      text: request.text,
      values: [...request.values],
      // Without it a statement that takes no values would travel in the simple protocol, in which
      // one text may hold several statements.
      queryMode: 'extended',
    };
    const query = new pg.Query<{ [column: string]: Json }>(config);
    let excess: TooMuchData | null = null;
    query.on('row', (row) => {
      if (rows.length < request.maxRows) {
        rows.push(row);
      } else if (excess === null) {
        excess = new TooMuchData(`the statement returned more than ${request.maxRows} rows`);
        client.cut();
        reject(excess);
      }
    });
    query.on('end', (result) => {
      if (result.fields.some(({ name }) => name === '__proto__')) {
        reject(new UnfitColumn("a column is named '__proto__'"));
        return;
      }
      const returns = result.fields.length > 0;
      resolve({
        ...(returns ? { rows } : {}),
        row_count: returns ? rows.length : (result.rowCount ?? 0),
      });
    });
    query.on('error', reject);
    client.query(query);
  });
}
