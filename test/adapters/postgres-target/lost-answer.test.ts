import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { createEgressGuard } from '#adapters/http/egress-guard.ts';
import { createSilentLog } from '#adapters/local/json-log.ts';
import { createPostgresDatabases } from '#adapters/postgres-target/databases.ts';
import { readEgressPolicy } from '#config/egress.ts';
import { Secret } from '#core/secret.ts';
import { type DatabaseRequest, type Databases, MARKER_TABLE_SQL } from '#ports/databases.ts';
import {
  createTestDatabase,
  describeWithPostgres,
  type TestDatabase,
} from '#test/support/database.ts';

/**
 * The fault that markers exist for: the database commits, and the answer never arrives. A proxy in
 * front of a real server passes the commit on and cuts the client when the server answers it.
 */
describeWithPostgres('a commit whose answer is lost', () => {
  let own: TestDatabase;
  let proxy: Server;
  let databases: Databases;
  let request: DatabaseRequest;
  let losses = 0;
  let armed = false;
  const sockets = new Set<Socket>();

  beforeAll(async () => {
    own = await createTestDatabase();
    await own.admin.query('create table effects (at int)');
    const url = new URL(own.url);
    proxy = createServer((client) => {
      const server = connect(Number(url.port), url.hostname);
      let committing = false;
      for (const socket of [client, server]) {
        sockets.add(socket);
        socket.on('error', () => socket.destroy());
      }
      client.on('data', (data) => {
        committing = armed && data.includes('commit\0');
        server.write(data);
      });
      server.on('data', (data) => {
        if (!committing) {
          client.write(data);
          return;
        }
        armed = false;
        losses += 1;
        client.resetAndDestroy();
        server.end();
      });
      client.on('close', () => server.destroy());
      server.on('close', () => client.destroy());
    });
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
    const { port } = proxy.address() as AddressInfo;
    const guard = createEgressGuard({
      policy: readEgressPolicy({ EGRESS_ALLOW: `127.0.0.1:${port}` }),
      resolver: { resolve: () => Promise.resolve([]) },
    });
    databases = createPostgresDatabases({ guard, log: createSilentLog() });
    const username = decodeURIComponent(url.username);
    request = {
      tenant: 'acme',
      mode: 'live',
      connection: 'crm',
      revision: 1,
      spec: {
        type: 'postgres',
        host: '127.0.0.1',
        port,
        database: url.pathname.slice(1),
        login: { username, secret: 'pw' },
        tls: 'disable',
      },
      login: { username, password: new Secret(decodeURIComponent(url.password)) },
      access: 'write',
      text: 'insert into effects values (1) returning at',
      values: [],
      key: 'root/step',
      maxRows: 10,
      maxBytes: 10_000,
      signal: new AbortController().signal,
    };
  });
  beforeEach(() => own.admin.query('truncate effects'));
  afterAll(async () => {
    await databases.close();
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => proxy.close(resolve));
  });

  /** Attempts as a host makes them: again while the error is one that is worth it. */
  async function attempts(key: string): Promise<string[]> {
    const before = losses;
    armed = true;
    const outcomes: string[] = [];
    for (let attempt = 1; attempt <= 3; attempt++) {
      const answer = await databases.run({ ...request, key });
      outcomes.push(answer.ok ? JSON.stringify(answer.result) : answer.reason);
      if (answer.ok) break;
    }
    expect(losses).toBe(before + 1);
    return outcomes;
  }
  const effects = async () =>
    Number((await own.admin.query('select count(*) as n from effects')).rows[0].n);

  it('happens twice without a marker table: the fault is real', async () => {
    expect(await attempts('root/plain')).toEqual([
      'unavailable',
      '{"rows":[{"at":1}],"row_count":1}',
    ]);
    expect(await effects()).toBe(2);
  });

  it('happens once with one, and the next attempt answers what the lost one did', async () => {
    await own.admin.query(MARKER_TABLE_SQL);
    for (let i = 0; i < 10; i++) {
      const outcomes = await attempts(`root/marked[${i}]`);
      expect(outcomes[0]).toBe('unavailable');
      expect(JSON.parse(outcomes[1] ?? 'null')).toEqual({ rows: [{ at: 1 }], row_count: 1 });
    }
    expect(await effects()).toBe(10);
  });
});
