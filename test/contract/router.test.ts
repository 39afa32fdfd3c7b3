import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { grants, PERMISSIONS, type Permission, SCOPES } from '#contract/permissions.ts';
import { METHODS } from '#contract/route.ts';
import { createRouter } from '#contract/router.ts';
import { operationIds, routeOf, routes } from '#contract/routes.ts';

const router = createRouter(routes);

describe('the router', () => {
  it('finds every operation, with its parameters decoded', () => {
    for (const id of operationIds) {
      const { method, path } = routeOf(id);
      const match = router(method, path.replace(/\{(\w+)\}/g, 'a%20$1'));
      expect(match).toMatchObject({ kind: 'found', operationId: id });
      for (const [name, value] of Object.entries(match.kind === 'found' ? match.params : {})) {
        expect(value).toBe(`a ${name}`);
      }
    }
  });

  it('a literal wins over a parameter, for its own method only', () => {
    expect(router('POST', '/api/v1/workflows/validate')).toMatchObject({
      operationId: 'validateWorkflow',
    });
    expect(router('GET', '/api/v1/workflows/validate')).toMatchObject({
      operationId: 'getWorkflow',
      params: { workflow_id: 'validate' },
    });
    expect(router('POST', '/api/v1/workflows/greeting')).toMatchObject({ kind: 'wrong_method' });
  });

  it('is total: any text gives an answer', () => {
    fc.assert(
      fc.property(fc.constantFrom(...METHODS), fc.string({ unit: 'binary' }), (method, text) => {
        expect(router(method, text).kind).toMatch(/^(found|wrong_method|malformed|not_found)$/);
        expect(router(method, `/api/v1/${text}`).kind).toBeTypeOf('string');
      }),
      { seed: 3, numRuns: 500 },
    );
  });

  it('of a part of the contract finds only that part', () => {
    const part = createRouter({ getHealth: routes.getHealth });
    expect(part('GET', '/healthz').kind).toBe('found');
    expect(part('GET', '/readyz').kind).toBe('not_found');
  });
});

describe('scopes', () => {
  it('grant what they say and nothing else', () => {
    const all = Object.keys(PERMISSIONS) as Permission[];
    for (const permission of all) {
      const area = permission.split(':', 1)[0];
      for (const scope of SCOPES) {
        const expected = scope === '*' || scope === permission || scope === `${area}:*`;
        expect(grants([scope], permission), `${scope} ${permission}`).toBe(expected);
      }
      expect(grants([], permission)).toBe(false);
      for (const odd of ['workflow', 'workflow:', ':*', '**', 'WORKFLOW:*', '*:read', '']) {
        expect(grants([odd], permission), odd).toBe(false);
      }
    }
  });
});
