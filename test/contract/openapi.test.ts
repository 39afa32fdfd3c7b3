import { Validator } from '@seriousme/openapi-schema-validator';
import { describe, expect, it } from 'vitest';
import { openApiDocument } from '#contract/openapi.ts';
import { METHODS } from '#contract/route.ts';
import { createRouter } from '#contract/router.ts';
import { operationIds, routeOf, routes } from '#contract/routes.ts';
import { createChecks } from '#contract/validate.ts';

interface Operation {
  readonly operationId: string;
  readonly security: readonly unknown[];
  readonly requestBody?: unknown;
  readonly responses: Readonly<Record<string, unknown>>;
  readonly 'x-permission'?: string;
}
type Paths = Readonly<Record<string, Readonly<Record<string, Operation>>>>;

const document = openApiDocument();
const checks = createChecks(routes);
const paths = document['paths'] as unknown as Paths;

describe('the OpenAPI document', () => {
  it('is valid OpenAPI 3.1', async () => {
    const result = await new Validator().validate(structuredClone(document));
    expect(result).toEqual({ valid: true });
  });

  it('names exactly the operations that the router finds', () => {
    const router = createRouter(routes);
    const documented = Object.entries(paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]) => {
        const concrete = path.replace(/\{\w+\}/g, 'x1');
        const match = router(method.toUpperCase() as 'GET', concrete);
        expect(match, `${method} ${path}`).toMatchObject({
          kind: 'found',
          operationId: operation.operationId,
        });
        return operation.operationId;
      }),
    );
    expect(documented.sort()).toEqual([...operationIds].sort());
  });

  it('has no method that the router lacks, nor the other way', () => {
    const router = createRouter(routes);
    for (const [path, methods] of Object.entries(paths)) {
      const concrete = path.replace(/\{\w+\}/g, 'x1');
      const routed = METHODS.filter((method) => {
        const match = router(method, concrete);
        return match.kind === 'found' && routeOf(match.operationId).path === path;
      });
      expect(Object.keys(methods).sort(), path).toEqual(
        routed.map((method) => method.toLowerCase()).sort(),
      );
    }
  });

  it('asks for a key exactly where the contract asks for a permission', () => {
    for (const methods of Object.values(paths)) {
      for (const operation of Object.values(methods)) {
        const route = routeOf(operation.operationId as (typeof operationIds)[number]);
        const asks = route.tenant === 'caller';
        const users = { access_token: [] };
        const callers = route.permission === 'self' ? [users] : [{ api_key: [] }, users];
        expect(operation.security, operation.operationId).toEqual(asks ? callers : []);
        expect(operation['x-permission']).toBe(asks ? route.permission : undefined);
      }
    }
  });

  it('names the path parameters that the path has', () => {
    for (const id of operationIds) {
      const route = routeOf(id);
      const inPath = [...route.path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
      expect(Object.keys(route.params?.properties ?? {}).sort(), id).toEqual(inPath.sort());
    }
  });
});

describe('the contract', () => {
  it('has a validator for every part of every operation', () => {
    for (const id of operationIds) {
      const route = routeOf(id);
      expect(checks.of(id).body === null, id).toBe(route.body === undefined);
      expect(checks.of(id).response === null, id).toBe(route.response === null);
    }
  });

  it('keeps answers under a key for every POST, but for those about credentials', () => {
    for (const id of operationIds) {
      const { method, idempotent, tag } = routeOf(id);
      if (method !== 'POST') expect(idempotent, id).toBe('natural');
      else if (['auth', 'sso', 'saml', 'api-keys'].includes(tag))
        expect(idempotent, id).toBe('unkept');
      else expect(idempotent, id).toBe('key');
    }
  });

  it('asks for If-Match on every PUT', () => {
    for (const id of operationIds) {
      const route = routeOf(id);
      if (route.method === 'PUT') expect(route.ifMatch, id).toBe('required');
    }
  });

  it('refuses unknown members in every body but definitions', () => {
    for (const id of operationIds) {
      const route = routeOf(id);
      if (route.body === undefined || !('properties' in route.body)) continue;
      // Pages of other sites post forms, and may name their buttons.
      if (route.form === true) continue;
      expect(route.body, id).toHaveProperty('additionalProperties', false);
    }
  });
});
