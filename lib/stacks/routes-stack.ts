import {
  AccessLogField,
  AccessLogFormat,
  CfnBasePathMapping,
  type CfnMethod,
  Deployment,
  type Method as GatewayMethod,
  LambdaIntegration,
  LogGroupLogDestination,
  type MethodDeploymentOptions,
  MethodLoggingLevel,
  type MethodOptions,
  RestApi,
  Stage,
} from 'aws-cdk-lib/aws-apigateway';
import { LogGroup } from 'aws-cdk-lib/aws-logs';
import { CfnResource, Duration, Lazy, RemovalPolicy } from 'aws-cdk-lib/core';
import type { Construct } from 'constructs';
import { type FunctionName, functionNames, functionSpec } from '#config/functions.ts';
import { type RequestRates, requestRates } from '#config/request-rates.ts';
import { resourceNames } from '#config/resources.ts';
import type { StageSettings } from '#config/stage-settings.ts';
import { TIME_LIMITS } from '#config/time-limits.ts';
import { acknowledge } from '#constructs/acknowledge.ts';
import { Firewall } from '#constructs/firewall.ts';
import type { Surroundings } from '#constructs/service-function.ts';
import type { Method, Route, Tag } from '#contract/route.ts';
import { type OperationId, operationIds, routeOf } from '#contract/routes.ts';
import type { ApiStack } from './api-stack.ts';
import { StageStack } from './stage-stack.ts';

/** Of the whole, for what anybody may call without a credential. */
const PUBLIC_SHARE = 0.05;
/** Of the whole, for calls that write. */
const WRITE_SHARE = 0.5;

/**
 * The public HTTP surface: every route of the contract and no other, each at the function that the
 * registry names for it. Beside them only what HTTP itself asks for: HEAD where there is GET, and
 * OPTIONS, both answered by the same function. A stack of its own, since each is two or three resources, of
 * which CloudFormation takes 500 in one; it comes after its functions, so no route is there before them.
 */
export class RoutesStack extends StageStack {
  constructor(
    scope: Construct,
    settings: StageSettings,
    { around, api: own }: { readonly around: Surroundings; readonly api: ApiStack },
  ) {
    super(scope, 'Routes', settings, 'routes of the REST API');
    const { stage } = settings;
    const { domain } = settings.api;
    const rates = requestRates(settings);

    const accessLog = new LogGroup(this, 'AccessLog', {
      logGroupName: `/cloudflow/${stage}/api-access`,
      retention: settings.logDays,
      encryptionKey: around.logKey,
      removalPolicy: settings.retain ? RemovalPolicy.RETAIN : RemovalPolicy.DESTROY,
    });
    const api = RestApi.fromRestApiAttributes(this, 'Rest', own.api);
    const integrations = new Map(
      [...own.functions].map(([name, live]) => [
        name,
        // One permission for the whole API: one per method would pass the limit of a function's policy.
        new LambdaIntegration(live, {
          scopePermissionToMethod: false,
          timeout: Duration.millis(TIME_LIMITS.gateway),
        }),
      ]),
    );
    // A GET and its HEAD are one operation with one model.
    const known = new Map<OperationId | null, MethodOptions>();
    const optionsOf = (id: OperationId | null): MethodOptions => {
      const options = known.get(id) ?? own.door.optionsFor(id);
      known.set(id, options);
      return options;
    };
    const made: GatewayMethod[] = [];
    for (const { path, methods, tag } of endpoints()) {
      const integration = integrations.get(servedBy(tag));
      if (integration === undefined) throw new TypeError(`no function serves ${tag}`);
      const resource = api.root.resourceForPath(path);
      for (const [method, id] of methods) {
        made.push(resource.addMethod(method, integration, optionsOf(id)));
      }
    }
    acknowledge(
      this,
      'AwsSolutions-APIG4',
      'what needs no credential, or has one in its path, has no authorizer: HTTP’s own questions, public routes, answers with a token',
    );
    acknowledge(
      this,
      'AwsSolutions-COG4',
      'callers are known by API keys and tokens of CloudFlow, not by a Cognito pool',
    );

    const live = new Stage(this, 'Live', {
      deployment: this.deploy(api, own, made),
      stageName: resourceNames(stage).apiStage,
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
    });
    if (domain !== null) {
      new CfnBasePathMapping(this, 'Named', {
        domainName: domain.name,
        restApiId: api.restApiId,
        stage: live.stageName,
      });
    }
    if (settings.api.firewall) new Firewall(this, 'Firewall', settings).before(live);
    else {
      acknowledge(
        live,
        'AwsSolutions-APIG3',
        'a firewall costs more than the rest of this stage; the stages that face users have one',
      );
    }
  }

  /**
   * A picture of the API, which a stage shows: another one is taken when anything differs that it would
   * show, here or in the stack of the API, and not before all of it is there.
   */
  private deploy(
    api: ConstructorParameters<typeof Deployment>[2]['api'],
    own: ApiStack,
    methods: readonly GatewayMethod[],
  ): Deployment {
    const deployment = new Deployment(this, 'Picture', { api });
    for (const method of methods) {
      deployment.node.addDependency(method.node.defaultChild as CfnMethod);
    }
    deployment.addToLogicalId(
      Lazy.any({
        produce: () =>
          [own, this].flatMap((stack) =>
            stack.node
              .findAll()
              .filter((each): each is CfnResource => each instanceof CfnResource)
              .filter(({ cfnResourceType }) => SHOWN.test(cfnResourceType))
              .map((each) => stack.resolve((each as Shown)._toCloudFormation()) as object),
          ),
      }),
    );
    return deployment;
  }
}

/** What a picture of an API shows. */
const SHOWN =
  /^AWS::ApiGateway::(?:RestApi|Resource|Method|Model|Authorizer|RequestValidator|GatewayResponse)$/;

/** As CDK's own deployments are told apart: by what would be written into the template. */
type Shown = CfnResource & { _toCloudFormation(): object };

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

/**
 * A limit of its own for every method of the API, HEAD and OPTIONS too, so that a flood of one leaves room
 * for the others. A HEAD is let through as its GET is, an OPTIONS as what anybody may ask.
 */
function throttles({ perSecond, atOnce }: RequestRates): Record<string, MethodDeploymentOptions> {
  return Object.fromEntries(
    endpoints().flatMap(({ path, methods }) =>
      [...methods].map(([method, id]) => {
        const share = id === null ? PUBLIC_SHARE : shareOf(routeOf(id));
        return [
          `${path}/${method}`,
          {
            throttlingRateLimit: Math.ceil(perSecond * share),
            throttlingBurstLimit: Math.ceil(atOnce * share),
          },
        ];
      }),
    ),
  );
}

function shareOf({ tenant, method }: Route): number {
  // Who is known by the path alone may be anybody.
  if (tenant !== 'caller') return PUBLIC_SHARE;
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
