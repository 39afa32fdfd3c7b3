import {
  audienceOf,
  type ConnectionSpec,
  type KeptSecrets,
  type SecretValues,
  secretNamesOf,
} from '#core/connections.ts';
import type { Problem } from '#core/errors.ts';
import { Secret } from '#core/secret.ts';
import type { Clock } from '#ports/clock.ts';
import type { ConnectionRecord, ConnectionStore } from '#ports/connection-store.ts';
import type { Ids } from '#ports/ids.ts';
import type { Secrets } from '#ports/secrets.ts';
import type { Principal } from '../identity/principal.ts';
import { refuseProblems } from './refuse.ts';

/**
 * Secrets belong to one connection, and each value is stored under a name that is used once:
 *
 *  S1 no value is ever written over another, so nothing that a second connection of the same name, a
 *     rival change or a repeat does reaches what is in force;
 *  S2 what is in force is what the connection's row names: values are stored before it, and no step
 *     sees a connection without them;
 *  S3 a name is known to the store of connections before a value is stored under it, so that whatever
 *     no connection names, for whichever reason, is found and deleted later; never here;
 *  S4 a value is sent only to whom it was given for: a connection that leads elsewhere brings its own.
 */
export interface KeptSecretsDeps {
  readonly store: Pick<ConnectionStore, 'announceSecrets'>;
  readonly secrets: Pick<Secrets, 'put'>;
  readonly clock: Clock;
  readonly ids: Ids;
}

/**
 * Stores the given values, and answers where the secrets that the connection names are kept. Each must
 * be given now or be one of `before`, the connection as it is.
 *
 * @throws CONNECTION_INVALID
 */
export async function keepSecrets(
  deps: KeptSecretsDeps,
  { tenant, mode }: Principal,
  spec: ConnectionSpec,
  values: SecretValues,
  before: ConnectionRecord | null,
): Promise<KeptSecrets> {
  const named = [...new Set(secretNamesOf(spec))];
  const given = named.filter((name) => Object.hasOwn(values, name));
  const moved = before !== null && audienceOf(before.spec) !== audienceOf(spec);
  const there = before === null || moved ? [] : secretNamesOf(before.spec);
  refuseSecrets(named, values, there, moved);

  const now = deps.clock.now();
  const fresh = given.map((name) => [name, `s-${deps.ids.next(now)}`] as const);
  if (fresh.length > 0) {
    await deps.store.announceSecrets(
      { tenant, mode },
      fresh.map(([, keptAs]) => keptAs),
      now,
    );
  }
  for (const [name, keptAs] of fresh) {
    await deps.secrets.put({ tenant, mode, name: keptAs }, new Secret(values[name] as string));
  }
  const old = Object.entries(before?.secrets ?? {});
  return Object.fromEntries([
    ...old.filter(([name]) => named.includes(name) && !given.includes(name)),
    ...fresh,
  ]);
}

function refuseSecrets(
  named: readonly string[],
  values: SecretValues,
  there: readonly string[],
  moved: boolean,
): void {
  const unused = Object.keys(values).filter((name) => !named.includes(name));
  const missing = named.filter((name) => !Object.hasOwn(values, name) && !there.includes(name));
  const problems: readonly Problem[] = [
    ...unused.map((name) => ({
      code: 'CONNECTION_INVALID',
      pointer: `/body/secrets/${name}`,
      message: 'is not named by the connection',
      allowed: named.length === 0 ? 'no secrets' : named.join(', '),
    })),
    ...missing.map((name) => ({
      code: 'CONNECTION_INVALID',
      pointer: '/body/secrets',
      message: moved
        ? `the connection leads elsewhere than before; give the value of '${name}' again`
        : `this connection has no secret '${name}' yet; give its value`,
    })),
  ];
  refuseProblems(problems);
}
