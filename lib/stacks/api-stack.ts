import {
  AccessLogField,
  AccessLogFormat,
  CfnBasePathMapping,
  type CfnRestApi,
  type EndpointAccessMode,
  EndpointType,
  LambdaIntegration,
  LogGroupLogDestination,
  type MethodDeploymentOptions,
  MethodLoggingLevel,
  type MethodOptions,
  RestApi,
  type SecurityPolicy,
} from 'aws-cdk-lib/aws-apigateway';
import { Certificate } from 'aws-cdk-lib/aws-certificatemanager';
import { LogGroup } from 'aws-cdk-lib/aws-logs';
import { CfnOutput, Duration, RemovalPolicy } from 'aws-cdk-lib/core';
import type { Construct } from 'constructs';
import type { ProgramEnv } from '#config/env.ts';
import {
  type FunctionName,
  functionNames,
  functionSpec,
  type StartedBy,
} from '#config/functions.ts';
import { type RequestRates, requestRates } from '#config/request-rates.ts';
import type { StageSettings } from '#config/stage-settings.ts';
import { TIME_LIMITS } from '#config/time-limits.ts';
import { API_ACCESS_MODE, API_SECURITY_POLICY } from '#config/transport.ts';
import { acknowledge } from '#constructs/acknowledge.ts';
import { ApiDoor } from '#constructs/api-door.ts';
import { Firewall } from '#constructs/firewall.ts';
import { answerWithProblems } from '#constructs/gateway-problems.ts';
import { reachable } from '#constructs/grants.ts';
import { ServiceFunction, type Surroundings } from '#constructs/service-function.ts';
import type { Method, Route, Tag } from '#contract/route.ts';
import { type OperationId, operationIds, routeOf } from '#contract/routes.ts';
import type { DataStack } from './data-stack.ts';
import type { Identity } from './identity.ts';
import { StageStack } from './stage-stack.ts';
import type { StoresStack } from './stores-stack.ts';

/** The stage of API Gateway: part of the address where no domain is set. */
const GATEWAY_STAGE = 'live';
/** Of the whole, for what anybody may call without a credential. */
const PUBLIC_SHARE = 0.05;
/** Of the whole, for calls that write. */
const WRITE_SHARE = 0.5;

interface ApiStackProps {
  readonly around: Surroundings;
  readonly data: DataStack;
  readonly stores: StoresStack;
  readonly identity: Identity;
}

/**
 * The public HTTP surface: every route of the contract and no other, each at the function that the
 * registry names for it. Beside them only what HTTP itself asks for: HEAD where there is GET, and
 * OPTIONS, both answered by the same function.
 */
export class ApiStack extends StageStack {
  /** Scheme and host, and the stage of API Gateway where no domain is set. */
  readonly publicUrl: string;

  constructor(
    scope: Construct,
    settings: StageSettings,
    { around, data, stores, identity }: ApiStackProps,
  ) {
    super(scope, 'Api', settings, 'REST API and its functions');
    const { stage, region } = settings;
    const { domain } = settings.api;
    const rates = requestRates(settings);

    const accessLog = new LogGroup(this, 'AccessLog', {
      logGroupName: `/cloudflow/${stage}/api-access`,
      retention: settings.logDays,
      encryptionKey: around.logKey,
      removalPolicy: settings.retain ? RemovalPolicy.RETAIN : RemovalPolicy.DESTROY,
    });
    const api = new RestApi(this, 'Rest', {
      restApiName: `cloudflow-${stage}`,
      description: `CloudFlow ${stage}`,
      endpointTypes: [EndpointType.REGIONAL],
      disableExecuteApiEndpoint: domain !== null,
      cloudWatchRole: true,
      cloudWatchRoleRemovalPolicy: RemovalPolicy.RETAIN,
      // Where it waited, the name is there before the API.
      ...(domain === null || settings.takesOver !== null
        ? {}
        : {
            domainName: {
              domainName: domain.name,
              certificate: Certificate.fromCertificateArn(
                this,
                'Certificate',
                domain.certificateArn,
              ),
              securityPolicy: API_SECURITY_POLICY as SecurityPolicy,
              endpointAccessMode: API_ACCESS_MODE as EndpointAccessMode,
            },
          }),
      deployOptions: {
        stageName: GATEWAY_STAGE,
        tracingEnabled: true,
        metricsEnabled: true,
        // Bodies and headers of tenants are not for our logs.
        loggingLevel: MethodLoggingLevel.ERROR,
        dataTraceEnabled: false,
        throttlingRateLimit: rates.perSecond,
        throttlingBurstLimit: rates.atOnce,
        methodOptions: throttles(rates),
        accessLogDestination: new LogGroupLogDestination(accessLog),
        accessLogFormat: accessLogFormat(),
      },
    });
    // The construct says it of a domain alone, and without one there is only the API.
    const own = api.node.defaultChild as CfnRestApi;
    own.securityPolicy = API_SECURITY_POLICY;
    own.endpointAccessMode = API_ACCESS_MODE;
    answerWithProblems(api);
    if (domain !== null && settings.takesOver !== null) {
      new CfnBasePathMapping(this, 'Named', {
        domainName: domain.name,
        restApiId: api.restApiId,
        stage: api.deploymentStage.stageName,
      });
    }
    this.publicUrl =
      domain === null
        ? `https://${api.restApiId}.execute-api.${region}.amazonaws.com/${GATEWAY_STAGE}`
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
        },
        grants,
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

    const integrations = new Map(
      Object.values(functions).map(({ name, live }) => [
        name as FunctionName,
        // One permission for the whole API: one per method would pass the limit of a function's policy.
        new LambdaIntegration(live, {
          scopePermissionToMethod: false,
          timeout: Duration.millis(TIME_LIMITS.gateway),
        }),
      ]),
    );
    const door = new ApiDoor(this, 'Door', api, authorizer.live);
    // A GET and its HEAD are one operation with one model.
    const known = new Map<OperationId | null, MethodOptions>();
    const optionsOf = (id: OperationId | null): MethodOptions => {
      const options = known.get(id) ?? door.optionsFor(id);
      known.set(id, options);
      return options;
    };
    for (const { path, methods, tag } of endpoints()) {
      const integration = integrations.get(servedBy(tag));
      if (integration === undefined) throw new TypeError(`no function serves ${tag}`);
      const resource = api.root.resourceForPath(path);
      for (const [method, id] of methods) {
        resource.addMethod(method, integration, optionsOf(id));
      }
    }
    acknowledge(
      api,
      'AwsSolutions-APIG4',
      'what needs no credential, or has one in its path, has no authorizer: HTTP’s own questions, public routes, answers with a token',
    );
    acknowledge(
      api,
      'AwsSolutions-COG4',
      'callers are known by API keys and tokens of CloudFlow, not by a Cognito pool',
    );
    acknowledge(
      api,
      'AwsSolutions-IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs]',
      'the role that API Gateway asks for to write its logs, once per account and region',
    );
    if (settings.api.firewall) new Firewall(this, 'Firewall', settings).before(api);
    else {
      acknowledge(
        api,
        'AwsSolutions-APIG3',
        'a firewall costs more than the rest of this stage; the stages that face users have one',
      );
    }
    new CfnOutput(this, 'PublicUrl', { value: this.publicUrl, description: 'address of the API' });
  }
}

type Answered = Map<Method | 'HEAD' | 'OPTIONS', OperationId | null>;

/** Every path of the contract with what is answered there, and by which operation. */
function endpoints(): readonly {
  readonly path: string;
  readonly methods: Answered;
  readonly tag: Tag;
}[] {
  const found = new Map<string, { methods: Answered; tag: Tag }>();
  for (const id of operationIds) {
    const { path, method, tag } = routeOf(id);
    const endpoint = found.get(path) ?? { methods: new Map([['OPTIONS', null]]), tag };
    if (endpoint.tag !== tag) throw new TypeError(`${path} belongs to ${endpoint.tag} and ${tag}`);
    endpoint.methods.set(method, id);
    if (method === 'GET') endpoint.methods.set('HEAD', id);
    found.set(path, endpoint);
  }
  return [...found].map(([path, endpoint]) => ({ path, ...endpoint }));
}

/** The one function whose routes are those of a tag. */
function servedBy(tag: Tag): FunctionName {
  const serving = functionNames.filter((name) =>
    functionSpec(name).triggers.some(
      (trigger) => trigger.kind === 'http' && trigger.tags.includes(tag),
    ),
  );
  const [only] = serving;
  if (only === undefined || serving.length > 1) {
    throw new TypeError(`routes of ${tag} belong to ${serving.length} functions; use exactly one`);
  }
  return only;
}

/** A limit of its own for every route, so that a flood of one leaves room for the others. */
function throttles({ perSecond, atOnce }: RequestRates): Record<string, MethodDeploymentOptions> {
  return Object.fromEntries(
    operationIds.map(routeOf).map((route) => {
      const share = shareOf(route);
      return [
        `${route.path}/${route.method}`,
        {
          throttlingRateLimit: Math.ceil(perSecond * share),
          throttlingBurstLimit: Math.ceil(atOnce * share),
        },
      ];
    }),
  );
}

function shareOf({ tenant, method }: Route): number {
  if (tenant === 'none') return PUBLIC_SHARE;
  return method === 'GET' ? 1 : WRITE_SHARE;
}

/** Who asked for what and what became of it; no header, query or body, where secrets could be. */
function accessLogFormat(): AccessLogFormat {
  return AccessLogFormat.custom(
    JSON.stringify({
      requestId: AccessLogField.contextRequestId(),
      time: AccessLogField.contextRequestTimeEpoch(),
      method: AccessLogField.contextHttpMethod(),
      // The pattern, not the path: a path may hold a token.
      resource: AccessLogField.contextResourcePath(),
      status: AccessLogField.contextStatus(),
      milliseconds: AccessLogField.contextResponseLatency(),
      functionMilliseconds: AccessLogField.contextIntegrationLatency(),
      bytes: AccessLogField.contextResponseLength(),
      // `key:` and the id of an API key, as the authorizer knew it; never the key.
      caller: AccessLogField.contextAuthorizerPrincipalId(),
      trace: AccessLogField.contextXrayTraceId(),
    }),
  );
}
