import { functionNames, functionSpec } from '#config/functions.ts';
import type { Resource, Synthesised } from '../synth.ts';
import { entriesOf, invokedBy, type Rule, referred, stackOf } from './view.ts';

const ROUTES = ['$connect', '$disconnect', '$default'] as const;

/** The first resource of a type that a property of `at` refers to. */
function behind(made: Synthesised, at: string, value: unknown, type: string): string | undefined {
  return referred(made, stackOf(at), value).find((id) => made.resources.get(id)?.Type === type);
}

function problemsOf(made: Synthesised, name: string): readonly string[] {
  const routes = new Map<string, readonly [string, Resource]>(
    entriesOf(made, 'AWS::ApiGatewayV2::Route').map((entry) => [
      String(entry[1].Properties['RouteKey']),
      entry,
    ]),
  );
  const allowed = entriesOf(made, 'AWS::Lambda::Permission')
    .filter(([id, { Properties }]) => {
      return invokedBy(made, stackOf(id), Properties['FunctionName']) === name;
    })
    .map(([, { Properties }]) => JSON.stringify(Properties['SourceArn']));
  const mayInvoke = (part: string, of: string): readonly string[] =>
    allowed.some((each) => each.includes(part)) ? [] : [`API Gateway may not invoke ${name} ${of}`];
  const uri = (at: string | undefined, property: string): unknown =>
    at === undefined ? null : made.resources.get(at)?.Properties[property];
  const invokes = (at: string | undefined, property: string): boolean =>
    at !== undefined && invokedBy(made, stackOf(at), uri(at, property)) === name;

  const served = ROUTES.flatMap((key) => {
    const [id, route] = routes.get(key) ?? [];
    if (id === undefined || route === undefined) return [`${key} is not served`];
    const integration = behind(
      made,
      id,
      route.Properties['Target'],
      'AWS::ApiGatewayV2::Integration',
    );
    return [
      ...(invokes(integration, 'IntegrationUri') ? [] : [`${key} does not go to ${name}`]),
      ...mayInvoke(`/*${key}"`, `for ${key}`),
    ];
  });
  const [connect, { Properties }] = routes.get('$connect') ?? ['', { Properties: {} }];
  const authorizer = behind(
    made,
    connect,
    (Properties as Resource['Properties'])['AuthorizerId'],
    'AWS::ApiGatewayV2::Authorizer',
  );
  const [talk] = routes.get('$default') ?? [''];
  const answers = entriesOf(made, 'AWS::ApiGatewayV2::RouteResponse').some(([id, response]) =>
    referred(made, stackOf(id), response.Properties['RouteId']).includes(talk),
  );
  return [
    ...served,
    ...(invokes(authorizer, 'AuthorizerUri') ? [] : [`${name} does not say who may connect`]),
    ...mayInvoke('/authorizers/', 'to ask who may connect'),
    ...(answers ? [] : ['what clients say is not answered']),
  ];
}

export const SOCKETS: Rule = {
  name: 'asks the function of WebSockets who may connect, and tells it all that they do',
  problems: (made) =>
    functionNames
      .filter((name) => functionSpec(name).triggers.some(({ kind }) => kind === 'socket'))
      .flatMap((name) => problemsOf(made, name)),
};
