import { AccessLogFormat } from 'aws-cdk-lib/aws-apigateway';
import { LogGroupLogDestination, WebSocketApi, WebSocketStage } from 'aws-cdk-lib/aws-apigatewayv2';
import { WebSocketLambdaAuthorizer } from 'aws-cdk-lib/aws-apigatewayv2-authorizers';
import { WebSocketLambdaIntegration } from 'aws-cdk-lib/aws-apigatewayv2-integrations';
import { LogGroup } from 'aws-cdk-lib/aws-logs';
import { CfnOutput, RemovalPolicy } from 'aws-cdk-lib/core';
import type { Construct } from 'constructs';
import { requestRates } from '#config/request-rates.ts';
import { resourceNames } from '#config/resources.ts';
import type { StageSettings } from '#config/stage-settings.ts';
import { acknowledge } from '#constructs/acknowledge.ts';
import { actionsOf, allow, type Grant, sidOf } from '#constructs/grants.ts';
import { ServiceFunction, type Surroundings } from '#constructs/service-function.ts';
import type { ApiStack } from './api-stack.ts';
import type { DataStack } from './data-stack.ts';
import { StageStack } from './stage-stack.ts';
import type { StoresStack } from './stores-stack.ts';

/**
 * WebSockets for what the platform pushes. API Gateway holds the connections; our function says who
 * may have one and remembers whose it is. Everything that clients say is one route.
 */
export class RealtimeStack extends StageStack {
  readonly grants: { readonly 'sockets:manage': Grant };
  /** Where to send: `SOCKETS_URL`. */
  readonly socketsUrl: string;
  /** What API Gateway measures it by. */
  readonly socketsId: string;

  constructor(
    scope: Construct,
    settings: StageSettings,
    {
      around,
      data,
      stores,
      api: { publicUrl },
    }: {
      readonly around: Surroundings;
      readonly data: DataStack;
      readonly stores: StoresStack;
      readonly api: ApiStack;
    },
  ) {
    super(scope, 'Realtime', settings, 'WebSockets');
    const { stage, region, account } = settings;
    // Part of the address.
    const { apiStage } = resourceNames(stage);

    const api = new WebSocketApi(this, 'Sockets', {
      apiName: `cloudflow-${stage}-sockets`,
      description: `CloudFlow ${stage}: WebSockets`,
      routeSelectionExpression: '$request.body.type',
    });
    this.socketsId = api.apiId;
    const address = `${api.apiId}.execute-api.${region}.amazonaws.com/${apiStage}`;
    this.socketsUrl = `https://${address}`;
    const connections = `arn:aws:execute-api:${region}:${account}:${api.apiId}/${apiStage}`;
    this.grants = {
      'sockets:manage': (role) =>
        allow(role, {
          sid: sidOf('sockets:manage'),
          actions: actionsOf('sockets:manage'),
          resources: ['POST', 'DELETE'].map((method) => `${connections}/${method}/@connections/*`),
          star: 'connections are made at run time',
        }),
    };

    const realtime = new ServiceFunction(this, 'Realtime', {
      name: 'realtime',
      around,
      environment: {
        STAGE: stage,
        DATABASE_URL: data.databaseUrl,
        DATABASE_AUTH: 'iam',
        PUBLIC_URL: publicUrl,
        RECORDS_TABLE: stores.recordsTable,
        SOCKETS_URL: this.socketsUrl,
      },
      grants: { ...data.grants, ...stores.grants, ...this.grants },
    });
    const integration = new WebSocketLambdaIntegration('Function', realtime.live);
    api.addRoute('$connect', {
      integration,
      // No header is asked for: a browser can send none, and names its credential as a protocol.
      authorizer: new WebSocketLambdaAuthorizer('Caller', realtime.live, { identitySource: [] }),
    });
    api.addRoute('$disconnect', { integration });
    api.addRoute('$default', { integration, returnResponse: true });
    acknowledge(
      api,
      'AwsSolutions-APIG4',
      'only $connect can be authorised: what is said there holds for all that a connection does',
    );

    const accessLog = new LogGroup(this, 'AccessLog', {
      logGroupName: `/cloudflow/${stage}/sockets-access`,
      retention: settings.logDays,
      encryptionKey: around.logKey,
      removalPolicy: settings.retain ? RemovalPolicy.RETAIN : RemovalPolicy.DESTROY,
    });
    const rates = requestRates(settings);
    new WebSocketStage(this, 'Stage', {
      webSocketApi: api,
      stageName: apiStage,
      autoDeploy: true,
      detailedMetricsEnabled: true,
      throttle: {
        rateLimit: rates.perSecond,
        burstLimit: rates.atOnce,
      },
      accessLogSettings: {
        destination: new LogGroupLogDestination(accessLog),
        format: accessLogFormat(),
      },
    });
    new CfnOutput(this, 'SocketsUrl', {
      value: `wss://${address}`,
      description: 'where clients open WebSockets',
    });
  }
}

/** Who connected and what became of it; no header, query or message, where secrets could be. */
function accessLogFormat(): AccessLogFormat {
  return AccessLogFormat.custom(
    JSON.stringify({
      requestId: '$context.requestId',
      time: '$context.requestTimeEpoch',
      route: '$context.routeKey',
      event: '$context.eventType',
      status: '$context.status',
      connection: '$context.connectionId',
      connectedAt: '$context.connectedAt',
      functionMilliseconds: '$context.integrationLatency',
      address: '$context.identity.sourceIp',
    }),
  );
}
