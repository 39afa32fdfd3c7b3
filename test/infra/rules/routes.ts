import { type FunctionName, functionNames, functionSpec } from '#config/functions.ts';
import { requestModel } from '#contract/request-model.ts';
import { operationIds, routeOf } from '#contract/routes.ts';
import type { Resource, Synthesised } from '../synth.ts';
import { entriesOf, invokedBy, type Rule, stackOf } from './view.ts';

interface Served {
  readonly by: FunctionName | null;
  readonly method: Resource;
}

/** Methods of the API as `GET /api/v1/workflows`, each with the function that answers it. */
function served(made: Synthesised): ReadonlyMap<string, Served> {
  const pathOf = (stack: string, reference: unknown): string => {
    const part = made.resources.get(`${stack}/${(reference as { Ref?: string }).Ref}`);
    return part === undefined
      ? ''
      : `${pathOf(stack, part.Properties['ParentId'])}/${String(part.Properties['PathPart'])}`;
  };
  return new Map(
    entriesOf(made, 'AWS::ApiGateway::Method').map(([id, method]) => {
      const { Properties } = method;
      const stack = stackOf(id);
      const path = pathOf(stack, Properties['ResourceId']) || '/';
      return [
        `${String(Properties['HttpMethod'])} ${path}`,
        { by: invokedBy(made, stack, Properties['Integration']), method },
      ];
    }),
  );
}

/** Routes of the contract, with HEAD where there is GET and OPTIONS everywhere. */
function contract(): ReadonlyMap<string, FunctionName | undefined> {
  return new Map(
    operationIds.map(routeOf).flatMap(({ method, path, tag }) => {
      const by = functionNames.find((name) =>
        functionSpec(name).triggers.some(
          (trigger) => trigger.kind === 'http' && trigger.tags.includes(tag),
        ),
      );
      const methods = [method, 'OPTIONS', ...(method === 'GET' ? ['HEAD'] : [])];
      return methods.map((each) => [`${each} ${path}`, by] as const);
    }),
  );
}

export const ROUTES: Rule = {
  name: 'serves every route of the contract by the function of its tag, HEAD and OPTIONS beside them, and nothing else',
  problems: (made) => {
    const there = served(made);
    const wanted = contract();
    return [
      ...[...wanted].flatMap(([route, by]) => {
        if (!there.has(route)) return [`${route} is not served`];
        const found = there.get(route)?.by;
        return found === by ? [] : [`${route} goes to ${found}, not to ${by}`];
      }),
      ...[...there.keys()]
        .filter((route) => !wanted.has(route))
        .map((route) => `${route} is served, and not in the contract`),
    ];
  },
};

export const GATEWAY_PERMISSIONS: Rule = {
  name: 'lets API Gateway invoke every function with routes, and the authorizer',
  problems: (made) => {
    const allowed = entriesOf(made, 'AWS::Lambda::Permission')
      .filter(([, { Properties }]) => Properties['Principal'] === 'apigateway.amazonaws.com')
      .map(([id, { Properties }]) => invokedBy(made, stackOf(id), Properties['FunctionName']));
    return functionNames
      .filter((name) =>
        functionSpec(name).triggers.some(({ kind }) => kind === 'http' || kind === 'authorizer'),
      )
      .filter((name) => !allowed.includes(name))
      .map((name) => `API Gateway may not invoke ${name}`);
  },
};

const HTTP = new Map(operationIds.map((id) => [`${routeOf(id).method} ${routeOf(id).path}`, id]));

export const DOOR: Rule = {
  name: 'asks for a known caller wherever the contract does and nowhere else, and for a JSON object in every body',
  problems: (made) =>
    [...served(made)].flatMap(([route, { method }]) => {
      const id = HTTP.get(route.replace(/^HEAD /, 'GET '));
      const { AuthorizationType, AuthorizerId, RequestModels, RequestValidatorId } =
        method.Properties;
      const asked = AuthorizationType === 'CUSTOM' && AuthorizerId !== undefined;
      const wanted = id !== undefined && routeOf(id).tenant === 'caller';
      const model = id === undefined || route.startsWith('HEAD ') ? null : requestModel(id);
      const judged = RequestValidatorId !== undefined;
      return [
        ...(asked === wanted
          ? []
          : [`${route} ${wanted ? 'asks for no caller' : 'asks for a caller'}`]),
        ...((RequestModels !== undefined) === (model !== null)
          ? []
          : [`${route} ${model === null ? 'has a model' : 'has no model'}`]),
        ...(judged === (model !== null && model.unjudged === null)
          ? []
          : [`${route} ${judged ? 'judges' : 'does not judge'} its body`]),
      ];
    }),
};

export const THROTTLED: Rule = {
  name: 'gives every method of the API a limit of its own, HEAD and OPTIONS too: a flood of one leaves room for the others',
  problems: (made) => {
    const settings = made
      .ofType('AWS::ApiGateway::Stage')
      .flatMap(
        ({ Properties }) => (Properties['MethodSettings'] ?? []) as readonly MethodSetting[],
      );
    const limits = new Map(
      settings.map(({ HttpMethod, ResourcePath, ThrottlingRateLimit = 0 }) => [
        `${HttpMethod} ${ResourcePath.slice(1).replaceAll('~1', '/') || '/'}`,
        ThrottlingRateLimit,
      ]),
    );
    // A limit that lets through what the whole stage does is none, but for what a known caller reads.
    const all = limits.get('* *') ?? 0;
    return [...served(made)].flatMap(([route, { method }]) => {
      const limit = limits.get(route) ?? 0;
      if (limit === 0) return [`${route} has no limit of its own`];
      const open = method.Properties['AuthorizationType'] === 'NONE';
      return open && limit >= all ? [`${route} takes from anybody all that the stage does`] : [];
    });
  },
};

interface MethodSetting {
  readonly HttpMethod: string;
  readonly ResourcePath: string;
  readonly ThrottlingRateLimit?: number;
}
