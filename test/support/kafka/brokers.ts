/** Real Apache Kafka with its own consensus (KRaft): one broker, or three as one cluster. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../free-port.ts';

const JVM = ['-Xmx320m', '-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC'];
const READY_TRIES = 1_200;
/** Any 16 bytes: what is formatted with others is refused. */
const CLUSTER_ID = 'MkU3OEVBNTcwNTJENDM2Qg';

export interface KafkaBroker {
  /** `host:port`. */
  readonly address: string;
  /** Ends its process as a crash would; `start` brings it back with what it had. */
  kill(): Promise<void>;
  start(): Promise<void>;
  /** Stops answering without closing anything, until `thaw`. */
  freeze(): void;
  thaw(): void;
}

export interface KafkaCluster {
  readonly brokers: readonly KafkaBroker[];
  /** Ends them and deletes what they kept. */
  close(): Promise<void>;
}

/** `jars`: the folder of `kafkaJars`. Topics are not made by themselves; ready when all answer. */
export async function startBrokers(jars: string, brokers: 1 | 3): Promise<KafkaCluster> {
  const classpath = `${jars}/*`;
  const nodes = await Promise.all(
    Array.from({ length: brokers }, async (_, i) => ({
      id: i + 1,
      port: await freePort(),
      controller: await freePort(),
      folder: mkdtempSync(join(tmpdir(), 'cloudflow-kafka-')),
    })),
  );
  const voters = nodes.map(({ id, controller }) => `${id}@127.0.0.1:${controller}`).join(',');
  const started = nodes.map((node) => {
    const file = join(node.folder, 'server.properties');
    writeFileSync(file, settingsOf(node, voters, brokers));
    const made = spawnSync(
      'java',
      [...JVM, '-cp', classpath, 'kafka.tools.StorageTool', 'format', '-t', CLUSTER_ID, '-c', file],
      { encoding: 'utf8' },
    );
    if (made.status !== 0) throw new Error(`Kafka was not formatted: ${made.stderr}`);
    const broker = brokerOf(node.port, [...JVM, '-cp', classpath, 'kafka.Kafka', file]);
    return broker;
  });
  const close = async (): Promise<void> => {
    await Promise.all(started.map((broker) => broker.kill()));
    for (const { folder } of nodes) rmSync(folder, { recursive: true, force: true });
  };
  try {
    await Promise.all(started.map((broker) => broker.start()));
  } catch (error) {
    await close();
    throw error;
  }
  return { brokers: started, close };
}

function settingsOf(
  {
    id,
    port,
    controller,
    folder,
  }: { id: number; port: number; controller: number; folder: string },
  voters: string,
  brokers: number,
): string {
  return Object.entries({
    'process.roles': 'broker,controller',
    'node.id': id,
    'controller.quorum.voters': voters,
    listeners: `PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controller}`,
    'advertised.listeners': `PLAINTEXT://127.0.0.1:${port}`,
    'controller.listener.names': 'CONTROLLER',
    'inter.broker.listener.name': 'PLAINTEXT',
    'log.dirs': join(folder, 'data'),
    'auto.create.topics.enable': false,
    'default.replication.factor': brokers,
    'min.insync.replicas': Math.max(1, brokers - 1),
    'offsets.topic.num.partitions': 4,
    'offsets.topic.replication.factor': brokers,
    'transaction.state.log.num.partitions': 1,
    'transaction.state.log.replication.factor': brokers,
    'transaction.state.log.min.isr': 1,
    'group.initial.rebalance.delay.ms': 0,
    'group.min.session.timeout.ms': 1_000,
    'num.io.threads': 2,
    'num.network.threads': 2,
    'log.cleaner.dedupe.buffer.size': 8_388_608,
  })
    .map(([name, value]) => `${name}=${value}\n`)
    .join('');
}

function brokerOf(port: number, args: readonly string[]): KafkaBroker {
  let child: ChildProcess | null = null;

  async function kill(): Promise<void> {
    const dying = child;
    child = null;
    if (dying === null || dying.exitCode !== null || dying.signalCode !== null) return;
    const ended = new Promise((resolve) => dying.once('exit', resolve));
    dying.kill('SIGKILL');
    await ended;
  }

  return {
    address: `127.0.0.1:${port}`,
    kill,
    async start() {
      const starting = spawn('java', args, { stdio: ['ignore', 'pipe', 'pipe'] });
      child = starting;
      let last = '';
      for (const stream of [starting.stdout, starting.stderr]) {
        stream.on('data', (chunk: Buffer) => {
          last = (last + chunk.toString()).slice(-2_000);
        });
      }
      for (let tries = 0; !(await answers(port)); tries++) {
        if (starting.exitCode !== null || tries === READY_TRIES) {
          throw new Error(`Kafka did not start: ${last}`);
        }
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    },
    freeze: () => void child?.kill('SIGSTOP'),
    thaw: () => void child?.kill('SIGCONT'),
  };
}

/** Whether it takes a connection and says which requests it knows: `ApiVersions`, version 0. */
function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      const request = Buffer.alloc(14);
      request.writeInt32BE(10, 0);
      request.writeInt16BE(18, 4);
      request.writeInt16BE(-1, 12);
      socket.write(request);
    });
    const done = (there: boolean): void => {
      socket.destroy();
      resolve(there);
    };
    socket.setTimeout(2_000, () => done(false));
    socket.once('data', () => done(true));
    socket.once('error', () => done(false));
    socket.once('close', () => done(false));
  });
}
