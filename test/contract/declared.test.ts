import { expect, it } from 'vitest';
import type { Route } from '#contract/route.ts';
import { operationIds, routeOf } from '#contract/routes.ts';

const whole = {
  method: 'GET',
  reads: 'current',
  path: '/api/v1/nothing',
  tag: 'platform',
  tenant: 'caller',
  permission: 'workflow:read',
  audit: 'nothing',
  summary: 'nothing',
  response: null,
  status: 204,
  idempotent: 'natural',
  errors: [],
} as const;

type Whole = typeof whole;
/** The same with something else in it, or left out. */
type But<More> = Omit<Whole, keyof More> & More;
type Judged<T> = T extends Route ? 'compiles' : 'does not';

/** What `npm run types` says of such a route: another word beside one of these does not compile. */
interface Judgements {
  readonly 'nothing is left out': Judged<Whole>;
  readonly 'who may call': Judged<Omit<Whole, 'permission'>>;
  readonly 'whose data it is about': Judged<Omit<Whole, 'tenant'>>;
  readonly 'what the audit trail is told': Judged<Omit<Whole, 'audit'>>;
  readonly 'how old an answer may be': Judged<Omit<Whole, 'reads'>>;
  readonly 'a permission that there is': Judged<But<{ readonly permission: 'workflow:raed' }>>;
  readonly 'whose data a permission is about': Judged<But<{ readonly tenant: 'none' }>>;
  readonly 'who proves who they are': Judged<But<{ readonly permission: 'public' }>>;
}

const JUDGED: Judgements = {
  'nothing is left out': 'compiles',
  'who may call': 'does not',
  'whose data it is about': 'does not',
  'what the audit trail is told': 'does not',
  'how old an answer may be': 'does not',
  'a permission that there is': 'does not',
  'whose data a permission is about': 'does not',
  'who proves who they are': 'does not',
};

it('a route that does not say who may call, and whose data it is about, does not compile', () => {
  const compiling = Object.entries(JUDGED).filter(([, judged]) => judged === 'compiles');
  expect(compiling.map(([left]) => left)).toEqual(['nothing is left out']);
});

it('every route says it', () => {
  const silent = operationIds.filter((id) => {
    const { tenant, permission, audit } = routeOf(id);
    return [tenant, permission, audit].some((each) => typeof each !== 'string');
  });
  expect(silent).toEqual([]);
});
