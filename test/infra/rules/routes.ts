import { type FunctionName, functionNames, functionSpec } from '#config/functions.ts';
import { operationIds, routeOf } from '#contract/routes.ts';
import type { Synthesised } from '../synth.ts';
import { entriesOf, invokedBy, type Rule, stackOf } from './view.ts';

/** Methods of the API as `GET /api/v1/workflows`, each with the function that answers it. */
function served(made: Synthesised): ReadonlyMap<string, FunctionName | null> {
  const pathOf = (stack: string, reference: unknown): string => {
    const part = made.resources.get(`${stack}/${(reference as { Ref?: string }).Ref}`);
    return part === undefined
      ? ''
      : `${pathOf(stack, part.Properties['ParentId'])}/${String(part.Properties['PathPart'])}`;
  };
  return new Map(
    entriesOf(made, 'AWS::ApiGateway::Method').map(([id, { Properties }]) => {
      const stack = stackOf(id);
      const path = pathOf(stack, Properties['ResourceId']);
      return [
        `${String(Properties['HttpMethod'])} ${path}`,
        invokedBy(made, stack, Properties['Integration']),
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
        const found = there.get(route);
        return found === by ? [] : [`${route} goes to ${found}, not to ${by}`];
      }),
      ...[...there.keys()]
        .filter((route) => !wanted.has(route))
        .map((route) => `${route} is served, and not in the contract`),
    ];
  },
};

export const GATEWAY_PERMISSIONS: Rule = {
  name: 'lets API Gateway invoke every function with routes',
  problems: (made) => {
    const allowed = entriesOf(made, 'AWS::Lambda::Permission')
      .filter(([, { Properties }]) => Properties['Principal'] === 'apigateway.amazonaws.com')
      .map(([id, { Properties }]) => invokedBy(made, stackOf(id), Properties['FunctionName']));
    return functionNames
      .filter((name) => functionSpec(name).triggers.some(({ kind }) => kind === 'http'))
      .filter((name) => !allowed.includes(name))
      .map((name) => `API Gateway may not invoke ${name}`);
  },
};
