import { expect, it } from 'vitest';
import type { Route } from '#contract/route.ts';
import { type OperationId, operationIds, routeOf } from '#contract/routes.ts';

/** What `npm run types` holds every route to: what is left out here does not compile. */
const open = {
  ...{ method: 'GET', path: '/api/v1/nothing', tag: 'platform', reads: 'current' },
  ...{ summary: 'nothing', response: null, status: 204, idempotent: 'natural', errors: [] },
} as const;
const whole = { ...open, tenant: 'caller', permission: 'workflow:read', audit: 'nothing' } as const;

export const DECLARED: Route = whole;
// @ts-expect-error: it says neither whose data it is about nor who may call
export const UNDECLARED: Route = { ...open, audit: 'nothing' };
// @ts-expect-error: it does not say who may call
export const WITHOUT_PERMISSION: Route = { ...open, tenant: 'caller', audit: 'nothing' };
// @ts-expect-error: it does not say whose data it is about
export const WITHOUT_TENANT: Route = { ...open, permission: 'workflow:read', audit: 'nothing' };
// @ts-expect-error: there is no such permission
export const MISSPELT: Route = { ...whole, permission: 'workflow:raed' };
// @ts-expect-error: what needs a permission is about the caller's tenant
export const PUBLIC: Route = { ...whole, tenant: 'none' };
// @ts-expect-error: it does not say what the audit trail is told
export const UNTOLD: Route = { ...open, tenant: 'caller', permission: 'workflow:read' };

it('every route says who may call and whose data it is about', () => {
  const silent = operationIds.filter((id: OperationId) => {
    const { tenant, permission, audit } = routeOf(id);
    return [tenant, permission, audit].some((each) => typeof each !== 'string' || each === '');
  });
  expect(silent).toEqual([]);
});
