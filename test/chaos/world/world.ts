/** Everything that a run needs around the platform: database, proxy, target, cache, broker. */
import { randomUUID } from 'node:crypto';
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { freePort } from '#test/support/free-port.ts';
import { type KafkaCluster, startBrokers } from '#test/support/kafka/brokers.ts';
import { kafkaJars } from '#test/support/kafka/jars.ts';
import { type DurableLines, openLines } from '../files.ts';
import type { Tenant } from '../load.ts';
import type { FromProxy, ToProxy } from '../proxy.ts';
import { CONNECTION, definitions, OPERATION, pinnedDefinition } from '../workload.ts';
import { createApi, isKnown, type Outcome } from './api.ts';
import { type Helper, startHelper, until } from './children.ts';
import { type Database, startDatabase } from './database.ts';
import { createPlatform, type RunningPlatform } from './platform.ts';
import { REDIS_PROGRAM, type Redis, startRedis } from './redis.ts';
import { makeSecondTenant } from './second-tenant.ts';

export interface World {
  readonly folder: string;
  readonly database: Database;
  readonly proxy: Helper<ToProxy, FromProxy>;
  readonly target: string;
  readonly redis: Redis | null;
  readonly kafka: KafkaCluster | null;
  readonly platform: RunningPlatform;
  readonly tenants: readonly Tenant[];
  readonly ledger: DurableLines;
  readonly files: { readonly ledger: string; readonly calls: string; readonly clocks: string };
  /** As the superuser, past the proxy; for the harness and its checker. */
  readonly admin: pg.Pool;
  readonly effects: pg.Pool;
  close(): Promise<void>;
}

const SET_UP_MS = 120_000;
const TRIES = 10;

export interface WorldOptions {
  readonly root: string;
  readonly engines: number;
  readonly kafka: boolean;
  /** Of the disk that the database has to itself; null: it shares one. */
  readonly diskMb: number | null;
}

export async function openWorld(options: WorldOptions): Promise<World> {
  const folder = mkdtempSync(join(tmpdir(), 'cloudflow-chaos-'));
  chmodSync(folder, 0o755); // the server may run as another user
  const closers: (() => Promise<unknown>)[] = [];
  const close = async (): Promise<void> => {
    for (const act of closers.reverse()) await act().catch(() => undefined);
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    return await open(options, folder, closers, close);
  } catch (error) {
    await close();
    throw error;
  }
}

async function open(
  options: WorldOptions,
  folder: string,
  closers: (() => Promise<unknown>)[],
  close: () => Promise<void>,
): Promise<World> {
  const clocks = join(folder, 'clocks');
  mkdirSync(clocks);
  const files = { ledger: join(folder, 'ledger'), calls: join(folder, 'calls'), clocks };
  const database = await startDatabase(join(folder, 'disk'), options.diskMb);
  closers.push(() => database.remove());
  const { helper: proxy, first } = await startHelper<ToProxy, FromProxy>('proxy.ts', [
    String(database.port),
  ]);
  closers.push(() => proxy.kill());
  const proxyPort = first.kind === 'ready' ? first.port : 0;
  const called = await startHelper<object, { port: number }>('target.ts', [files.calls]);
  closers.push(() => called.helper.kill());
  const targetPort = called.first.port;
  const target = `http://127.0.0.1:${targetPort}`;
  const redis = REDIS_PROGRAM === undefined ? null : await startRedis(folder);
  if (redis !== null) closers.push(() => redis.kill());
  const kafka = options.kafka ? await openKafka() : null;
  if (kafka !== null) closers.push(() => kafka.close());

  const platform = createPlatform({
    root: options.root,
    folder: join(folder, 'state'),
    port: await freePort(),
    engines: options.engines,
    databaseUrl: database.urlAt(proxyPort, 'cloudflow'),
    redisUrl: redis?.url ?? null,
    kafka: kafka?.brokers[0]?.address ?? null,
    egress: [`127.0.0.1:${targetPort}`, `127.0.0.1:${proxyPort}`],
    preload: fileURLToPath(new URL('./clock-jump.ts', import.meta.url)),
    env: { CLOUDFLOW_CHAOS_CLOCKS: clocks },
  });
  closers.push(() => platform.kill());
  await platform.start();

  const pool = (name: string): pg.Pool => {
    const made = new pg.Pool({
      connectionString: database.urlAt(database.port, name),
      max: 4,
      application_name: 'checker',
      connectionTimeoutMillis: 5_000,
    });
    made.on('error', () => undefined); // the server is stopped again and again
    closers.push(() => made.end());
    return made;
  };
  const admin = pool('cloudflow');
  const effects = pool('effects');
  await effects.query(`create table effects (n bigint generated always as identity, execution text not null);
    create table cloudflow_markers (key text primary key, result jsonb, at timestamptz not null default now())`);

  const second = await insist(() => makeSecondTenant(database.url));
  const { rows } = await admin.query<{ id: string }>("select id from tenants where slug = 'local'");
  const { baseUrl } = platform;
  const tenants: Tenant[] = [
    { id: rows[0]?.id ?? '', canary: 'canary-of-one', api: createApi(baseUrl, platform.apiKey) },
    { id: second.tenant, canary: 'canary-of-two', api: createApi(baseUrl, second.apiKey) },
  ];
  const login = new URL(database.urlAt(proxyPort, 'effects'));
  for (const { api } of tenants) {
    const make = async (path: string, body: unknown): Promise<void> => {
      const key = randomUUID();
      let answer: Outcome = null;
      // A machine that others keep busy may need more than one try.
      await until(SET_UP_MS, async () => {
        answer = await api.call('POST', path, { body, key });
        return answer !== null && isKnown(answer);
      });
      answer = answer as Outcome;
      if (answer === null || answer.status >= 300) {
        throw new Error(`${path} answered ${answer?.status}: ${JSON.stringify(answer?.body)}`);
      }
    };
    await make('/api/v1/connections', {
      name: CONNECTION,
      connection: {
        ...{ type: 'postgres', host: login.hostname, port: Number(login.port) },
        ...{ database: 'effects', tls: 'disable' },
        login: { username: decodeURIComponent(login.username), secret: 'password' },
      },
      secrets: { password: decodeURIComponent(login.password) },
    });
    await make(`/api/v1/connections/${CONNECTION}/operations`, {
      name: OPERATION,
      access: 'write',
      statement: 'insert into effects (execution) values (:execution)',
      parameters: {
        type: 'object',
        properties: { execution: { type: 'string' } },
        required: ['execution'],
      },
    });
    for (const definition of [...definitions(target), pinnedDefinition(target, 1)]) {
      await make('/api/v1/workflows', definition);
    }
  }
  const ledger = await openLines(files.ledger);
  closers.push(() => ledger.close());
  return {
    ...{ folder, database, proxy, target, redis, kafka, platform, tenants, ledger, files },
    ...{ admin, effects, close },
  };
}

/** Whatever may be repeated; a machine that others keep busy may need more than one try. */
async function insist<T>(act: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await act();
    } catch (error) {
      if (tries === TRIES) throw error;
    }
  }
}

async function openKafka(): Promise<KafkaCluster> {
  const jars = kafkaJars();
  if (!('folder' in jars)) throw new Error(`no Kafka: it needs ${jars.missing}`);
  return startBrokers(jars.folder, 1);
}
