import {
  CfnAccount,
  CfnRestApi,
  DomainName,
  type EndpointAccessMode,
  EndpointType,
  RestApi,
  type SecurityPolicy,
} from 'aws-cdk-lib/aws-apigateway';
import { Certificate } from 'aws-cdk-lib/aws-certificatemanager';
import { ManagedPolicy, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import type { Alias } from 'aws-cdk-lib/aws-lambda';
import { CfnOutput, RemovalPolicy } from 'aws-cdk-lib/core';
import type { Construct } from 'constructs';
import type { ProgramEnv } from '#config/env.ts';
import type { FunctionName, StartedBy } from '#config/functions.ts';
import { resourceNames } from '#config/resources.ts';
import type { StageSettings } from '#config/stage-settings.ts';
import { API_ACCESS_MODE, API_SECURITY_POLICY } from '#config/transport.ts';
import { acknowledge } from '#constructs/acknowledge.ts';
import { ApiDoor } from '#constructs/api-door.ts';
import { answerWithProblems } from '#constructs/gateway-problems.ts';
import { reachable } from '#constructs/grants.ts';
import { ServiceFunction, type Surroundings } from '#constructs/service-function.ts';
import type { DataStack } from './data-stack.ts';
import { type EventsStack, NO_KAFKA } from './events-stack.ts';
import type { Identity } from './identity.ts';
import { StageStack } from './stage-stack.ts';
import type { StoresStack } from './stores-stack.ts';

interface ApiStackProps {
  readonly around: Surroundings;
  readonly data: DataStack;
  /** Null: the stage has no Kafka. */
  readonly events: EventsStack | null;
  readonly stores: StoresStack;
  readonly identity: Identity;
}

/**
 * The REST API without its routes, which are a stack of their own (`routes-stack.ts`): the functions that
 * answer, what is asked of a call before one is started, and what is answered instead.
 */
export class ApiStack extends StageStack {
  readonly api: { readonly restApiId: string; readonly rootResourceId: string };
  /** Those with routes, by their names: their aliases. */
  readonly functions: ReadonlyMap<FunctionName, Alias>;
  readonly door: ApiDoor;
  /** Scheme and host, and the stage of API Gateway where no domain is set. */
  readonly publicUrl: string;

  constructor(
    scope: Construct,
    settings: StageSettings,
    { around, data, events, stores, identity }: ApiStackProps,
  ) {
    super(scope, 'Api', settings, 'REST API and its functions');
    const { stage, region } = settings;
    const { domain } = settings.api;

    const rest = new CfnRestApi(this, 'Rest', {
      name: resourceNames(stage).api,
      description: `CloudFlow ${stage}`,
      endpointConfiguration: { types: ['REGIONAL'] },
      disableExecuteApiEndpoint: domain !== null,
      securityPolicy: API_SECURITY_POLICY,
      endpointAccessMode: API_ACCESS_MODE,
    });
    this.api = { restApiId: rest.attrRestApiId, rootResourceId: rest.attrRootResourceId };
    const api = RestApi.fromRestApiAttributes(this, 'Known', this.api);
    this.letGatewayLog(rest);
    // Where it waited, the name is there before the API.
    if (domain !== null && settings.takesOver === null) {
      const named = new DomainName(this, 'Domain', {
        domainName: domain.name,
        certificate: Certificate.fromCertificateArn(this, 'Certificate', domain.certificateArn),
        endpointType: EndpointType.REGIONAL,
        securityPolicy: API_SECURITY_POLICY as SecurityPolicy,
        endpointAccessMode: API_ACCESS_MODE as EndpointAccessMode,
      });
      new CfnOutput(this, 'DomainTarget', {
        value: named.domainNameAliasDomainName,
        description: 'where the name of the API must lead to, as a CNAME',
      });
    }
    answerWithProblems(this, api);
    this.publicUrl =
      domain === null
        ? `https://${rest.attrRestApiId}.execute-api.${region}.amazonaws.com/${resourceNames(stage).apiStage}`
        : `https://${domain.name}`;

    const environment: ProgramEnv<'platform-api'> = {
      STAGE: stage,
      DATABASE_URL: data.databaseUrl,
      DATABASE_AUTH: 'iam',
      CURSOR_KEY_SECRET: identity.cursorKeySecret,
      PUBLIC_URL: this.publicUrl,
      ALLOWED_ORIGINS: settings.api.allowedOrigins.join(','),
      PREFERRED_RUNTIME: settings.preferredRuntime,
    };
    const cache = { CACHE_URL: data.cacheUrl, CACHE_AUTH: 'iam' };
    const grants = { ...data.grants, ...stores.grants, ...identity.grants };
    // A function of the registry with routes that is missing here does not compile.
    const functions: { readonly [Name in StartedBy<'http'>]: ServiceFunction<Name> } = {
      'workflows-api': new ServiceFunction<'workflows-api'>(this, 'Workflows', {
        name: 'workflows-api',
        around,
        environment: { ...environment, ...cache, DATABASE_READER_URL: data.readerUrl },
        grants,
      }),
      'executions-api': new ServiceFunction<'executions-api'>(this, 'Executions', {
        name: 'executions-api',
        around,
        environment: {
          ...environment,
          ...cache,
          DATABASE_READER_URL: data.readerUrl,
          NUDGES_QUEUE_URL: data.queues['step-functions-nudges'].queueUrl,
          KAFKA_CLUSTER_ARN: events?.clusterArn ?? '',
        },
        grants: { ...grants, ...(events?.grants ?? NO_KAFKA) },
      }),
      'connections-api': new ServiceFunction<'connections-api'>(this, 'Connections', {
        name: 'connections-api',
        around,
        environment: {
          ...environment,
          ...cache,
          TENANT_SECRETS_PREFIX: identity.tenantSecretsPrefix,
          TENANT_SECRETS_KEY: identity.dataKey.keyArn,
          TENANT_SECRETS_COPY: identity.tenantSecretsCopy,
        },
        grants,
      }),
      'identity-api': new ServiceFunction<'identity-api'>(this, 'People', {
        name: 'identity-api',
        around,
        environment: {
          ...environment,
          ...cache,
          IDENTITY_KEY_SECRET: identity.identityKeySecret,
          SIGNING_SEAL_KEY: identity.signingKey.keyArn,
          RECORDS_TABLE: stores.recordsTable,
        },
        grants,
      }),
      'sso-api': new ServiceFunction<'sso-api'>(this, 'SignInElsewhere', {
        name: 'sso-api',
        around,
        environment: {
          ...environment,
          ...cache,
          IDENTITY_KEY_SECRET: identity.identityKeySecret,
          SIGNING_SEAL_KEY: identity.signingKey.keyArn,
          TENANT_SECRETS_PREFIX: identity.tenantSecretsPrefix,
          TENANT_SECRETS_KEY: identity.dataKey.keyArn,
          TENANT_SECRETS_COPY: identity.tenantSecretsCopy,
          EGRESS_ALLOW: '',
          EGRESS_PORTS: '',
        },
        grants: { ...grants, 'egress:internet': reachable },
      }),
      'saml-api': new ServiceFunction<'saml-api'>(this, 'SamlAnswers', {
        name: 'saml-api',
        around,
        environment: {
          ...environment,
          IDENTITY_KEY_SECRET: identity.identityKeySecret,
          RECORDS_TABLE: stores.recordsTable,
        },
        grants,
      }),
      'platform-api': new ServiceFunction<'platform-api'>(this, 'Platform', {
        name: 'platform-api',
        around,
        environment,
        grants,
      }),
    };

    const authorizer = new ServiceFunction<'authorizer'>(this, 'Authorizer', {
      name: 'authorizer',
      around,
      environment: {
        STAGE: stage,
        DATABASE_URL: data.databaseUrl,
        DATABASE_AUTH: 'iam',
        PUBLIC_URL: this.publicUrl,
      },
      grants,
    });

    this.functions = new Map(
      Object.values(functions).map(({ name, live }) => [name as FunctionName, live]),
    );
    this.door = new ApiDoor(this, 'Door', api, authorizer.live);
    new CfnOutput(this, 'PublicUrl', { value: this.publicUrl, description: 'address of the API' });
  }

  /** Once in an account and region, whichever API it was made for. */
  private letGatewayLog(rest: CfnRestApi): void {
    const policy = 'service-role/AmazonAPIGatewayPushToCloudWatchLogs';
    const role = new Role(this, 'GatewayLogs', {
      description: 'writes logs of API Gateway',
      assumedBy: new ServicePrincipal('apigateway.amazonaws.com'),
      managedPolicies: [ManagedPolicy.fromAwsManagedPolicyName(policy)],
    });
    role.applyRemovalPolicy(RemovalPolicy.RETAIN);
    acknowledge(
      role,
      `AwsSolutions-IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/${policy}]`,
      'the role that API Gateway asks for to write its logs, once per account and region',
    );
    const account = new CfnAccount(this, 'GatewayAccount', { cloudWatchRoleArn: role.roleArn });
    account.applyRemovalPolicy(RemovalPolicy.RETAIN);
    account.addResourceDependency(rest);
  }
}
