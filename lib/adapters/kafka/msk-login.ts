import { GetBootstrapBrokersCommand, type KafkaClient } from '@aws-sdk/client-kafka';
import { generateAuthTokenFromCredentialsProvider } from 'aws-msk-iam-sasl-signer-js';

/** How a program enters a cluster of MSK: where it is, and a token for each connection. */
export interface MskLogin {
  /**
   * `host:port` of brokers in every zone, for clients with a token of IAM over TLS. CloudFormation does
   * not tell them, and they change when brokers are added, so they are asked for at the start.
   */
  brokers(): Promise<readonly string[]>;
  /**
   * A token for `kafka-cluster:Connect`, good for 15 minutes and no longer than the credentials that
   * it is signed with. It is looked at when a connection begins, so every connection asks for its own.
   */
  token(): Promise<{ readonly value: string }>;
}

/** Tokens are signed here, without a request, for the region and with the credentials of `client`. */
export function createMskLogin(deps: {
  readonly client: KafkaClient;
  readonly clusterArn: string;
}): MskLogin {
  const { client, clusterArn } = deps;
  return {
    async brokers() {
      const { BootstrapBrokerStringSaslIam: text = '' } = await client.send(
        new GetBootstrapBrokersCommand({ ClusterArn: clusterArn }),
      );
      const brokers = text.split(',').filter((broker) => broker !== '');
      if (brokers.length === 0) {
        throw new TypeError(`${clusterArn} has no brokers for clients with a token of IAM`);
      }
      return brokers;
    },
    async token() {
      const { token } = await generateAuthTokenFromCredentialsProvider({
        region: await client.config.region(),
        awsCredentialsProvider: client.config.credentials,
      });
      return { value: token };
    },
  };
}
