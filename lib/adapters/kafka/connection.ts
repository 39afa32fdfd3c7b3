import type { ConsumerOptions, ProducerOptions } from '@platformatic/kafka';
import type { MskLogin } from './msk-login.ts';

/** Where a cluster is and how it is entered. */
export interface KafkaAccess {
  /** `host:port`, asked for at every new connection of a client: brokers come and go. */
  readonly brokers: () => Promise<readonly string[]>;
  /** With a token of IAM over TLS; null: without either, as on a laptop. */
  readonly login: MskLogin | null;
  /** Shown to brokers. */
  readonly clientId: string;
}

type Base = Pick<
  ProducerOptions<Buffer, Buffer, Buffer, Buffer> & ConsumerOptions<Buffer, Buffer, Buffer, Buffer>,
  | 'clientId'
  | 'bootstrapBrokers'
  | 'timeout'
  | 'connectTimeout'
  | 'retries'
  | 'retryDelay'
  | 'autocreateTopics'
  | 'sasl'
  | 'tls'
>;

/** A broker that is replaced is back, or another leads, within this time; then the caller is told. */
const ANSWER_MS = 10_000;
const CONNECT_MS = 5_000;
const RETRIES = 4;
const RETRY_MS = 250;

/** What every client of the cluster is made with. */
export async function clientOptions({ brokers, login, clientId }: KafkaAccess): Promise<Base> {
  return {
    clientId,
    bootstrapBrokers: [...(await brokers())],
    timeout: ANSWER_MS,
    connectTimeout: CONNECT_MS,
    retries: RETRIES,
    retryDelay: RETRY_MS,
    autocreateTopics: false,
    ...(login === null
      ? {}
      : {
          tls: {},
          sasl: { mechanism: 'OAUTHBEARER', token: async () => (await login.token()).value },
        }),
  };
}
