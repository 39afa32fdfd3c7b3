import { DEFAULT_MIN_VERSION } from 'node:tls';
import {
  API_ACCESS_MODE,
  API_SECURITY_POLICY,
  DATABASE_LEAST_TLS,
  HOPS,
  type HopName,
} from '#config/transport.ts';
import type { Synthesised } from '../synth.ts';
import { entriesOf, type Rule, referred, stackOf } from './view.ts';

type Look = (made: Synthesised) => readonly string[];

/** Resources of a type whose properties do not say what they must; none at all is wrong too. */
function each(
  type: string,
  holds: (properties: Readonly<Record<string, unknown>>) => boolean,
  none: 'wrong' | 'fine' = 'wrong',
): Look {
  return (made) => {
    const found = entriesOf(made, type);
    if (found.length === 0 && none === 'wrong') return [`no ${type}`];
    return found.filter(([, { Properties }]) => !holds(Properties)).map(([id]) => id);
  };
}

const member = (value: unknown, name: string): unknown =>
  (value as Readonly<Record<string, unknown>> | undefined)?.[name];

const policied = (properties: Readonly<Record<string, unknown>>): boolean =>
  properties['SecurityPolicy'] === API_SECURITY_POLICY &&
  properties['EndpointAccessMode'] === API_ACCESS_MODE;

/** Resources of a type without a policy that holds `words`. */
function denying(type: string, policyType: string, property: string, words: string): Look {
  return (made) => {
    const closed = entriesOf(made, policyType)
      .filter(([, { Properties }]) => JSON.stringify(Properties['PolicyDocument']).includes(words))
      .flatMap(([id, { Properties }]) => referred(made, stackOf(id), Properties[property]));
    return entriesOf(made, type)
      .map(([id]) => id)
      .filter((id) => !closed.includes(id));
  };
}

const encrypted = ({ EncryptionInfo }: Readonly<Record<string, unknown>>): boolean => {
  const transit = member(EncryptionInfo, 'EncryptionInTransit');
  return member(transit, 'ClientBroker') === 'TLS' && member(transit, 'InCluster') === true;
};

const NO_PLAIN = '"aws:SecureTransport":"false"';
const node: Look = () =>
  DEFAULT_MIN_VERSION === 'TLSv1.2' ? [] : [`Node speaks ${DEFAULT_MIN_VERSION}`];

/** What of the templates, or of the programs, makes each line of the table true. */
const LOOKS: { readonly [H in HopName]: readonly Look[] } = {
  'clients to the REST API': [
    each('AWS::ApiGateway::RestApi', policied),
    each('AWS::ApiGateway::DomainName', policied, 'fine'),
  ],
  'clients to the WebSocket API': [
    each('AWS::ApiGatewayV2::Api', ({ ProtocolType }) => ProtocolType === 'WEBSOCKET'),
    // A domain of the second API Gateway would have a policy of its own.
    (made) => entriesOf(made, 'AWS::ApiGatewayV2::DomainName').map(([id]) => id),
  ],
  'programs to Aurora and its proxy': [
    each('AWS::RDS::DBClusterParameterGroup', ({ Parameters }) => {
      return (
        member(Parameters, 'rds.force_ssl') === '1' &&
        member(Parameters, 'ssl_min_protocol_version') === DATABASE_LEAST_TLS
      );
    }),
    each('AWS::RDS::DBProxy', ({ RequireTLS }) => RequireTLS === true, 'fine'),
    (made) =>
      [...made.resources].flatMap(([id, { Properties }]) =>
        [...JSON.stringify(Properties ?? {}).matchAll(/\?sslmode=([a-z-]+)/g)].flatMap(
          ([, mode]) => (mode === 'verify-full' ? [] : [`${id} asks for ${mode}`]),
        ),
      ),
    node,
  ],
  'programs to Kafka, and between brokers': [
    (made) => each('AWS::MSK::Cluster', encrypted, made.settings.events ? 'wrong' : 'fine')(made),
    node,
  ],
  'programs to the cache': [
    each(
      'AWS::ElastiCache::ReplicationGroup',
      ({ TransitEncryptionEnabled, TransitEncryptionMode }) =>
        TransitEncryptionEnabled === true && TransitEncryptionMode === 'required',
    ),
    node,
  ],
  'programs and services to buckets': [
    denying('AWS::S3::Bucket', 'AWS::S3::BucketPolicy', 'Bucket', NO_PLAIN),
    denying('AWS::S3::Bucket', 'AWS::S3::BucketPolicy', 'Bucket', '"s3:TlsVersion":1.2'),
    node,
  ],
  'programs to queues and topics': [
    denying('AWS::SQS::Queue', 'AWS::SQS::QueuePolicy', 'Queues', NO_PLAIN),
    denying('AWS::SNS::Topic', 'AWS::SNS::TopicPolicy', 'Topics', NO_PLAIN),
    node,
  ],
  'programs to all else of AWS': [node],
  'mail to the world': [
    each(
      'AWS::SES::ConfigurationSet',
      ({ DeliveryOptions }) => member(DeliveryOptions, 'TlsPolicy') === 'REQUIRE',
      'fine',
    ),
  ],
  'steps to what workflows call': [node],
  'the engine’s health, and its traces to the agent beside it': [
    each('AWS::ECS::TaskDefinition', ({ ContainerDefinitions }) =>
      (ContainerDefinitions as readonly object[]).every((one) => !('PortMappings' in one)),
    ),
  ],
};

export const TRANSPORT: Rule = {
  name: 'every way that data takes has the TLS that its table says',
  problems: (made) =>
    (Object.keys(HOPS) as HopName[]).flatMap((hop) =>
      LOOKS[hop].flatMap((look) => look(made)).map((problem) => `${hop}: ${problem}`),
    ),
};
