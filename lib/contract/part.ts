import type { Route } from './route.ts';
import type { OperationId } from './routes.ts';

/**
 * A part of the contract, or all of it: what one program serves. Whoever serves a part imports its routes
 * alone, so that neither the others' schemas nor the checks that are compiled from them start with it.
 */
export type Part = { readonly [Id in OperationId]?: Route };

export function idsIn(part: Part): OperationId[] {
  return Object.keys(part) as OperationId[];
}

/** Throws a TypeError for an operation that the part does not have. */
export function routeIn(part: Part, id: OperationId): Route {
  const route = part[id];
  if (route === undefined) throw new TypeError(`${id} is not of this part of the contract`);
  return route;
}
