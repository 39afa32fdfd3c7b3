import { randomBytes } from 'node:crypto';
import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { TOTP } from 'otpauth';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createJsonLog } from '#adapters/local/json-log.ts';
import { readSecretVersion, replaceSecret } from '#adapters/secretsmanager/secrets.ts';
import type { Json, JsonObject } from '#core/json.ts';
import { createTurnKeys } from '#functions/platform-keys/turn-keys.ts';
import { type ManagedKeys, openPlatformKeys } from '#functions/shared/platform-keys.ts';
import { createSecretsService, SECRETS } from '#local/aws-endpoint/secrets-service.ts';
import { type AwsEndpoint, startAwsEndpoint } from '#local/aws-endpoint/server.ts';
import { createVirtualClock, type VirtualClock } from '#local/virtual-clock.ts';
import { NO_METRICS } from '#ports/metrics.ts';
import { readKeyRing, writeKeyRing } from '#services/shared/key-ring.ts';
import { aDefinition, startTestApi, type TestApi } from '#test/support/api.ts';
import { clientConfig } from '#test/support/aws.ts';
import { createTestDatabase, describeWithPostgres } from '#test/support/database.ts';
import { createPeople, type People } from '#test/support/people.ts';

const DAY = 86_400_000;
const PASSWORD = 'a long walk in the rain';
const CURSORS = 'cursor-key';
const IDENTITY = 'identity-key';

/** The program that turns keys and the API that uses them, over ninety days and the moment between two keys. */
describeWithPostgres('keys that are turned while people work', () => {
  let aws: AwsEndpoint;
  let client: SecretsManagerClient;
  let clock: VirtualClock;
  let api: TestApi;
  let people: People;
  let keys: readonly ManagedKeys[];
  let turn: ReturnType<typeof createTurnKeys>;
  const lines: string[] = [];
  const log = createJsonLog({ write: (line) => lines.push(line), level: 'info', time: () => '' });
  const events = () => lines.map((line) => (JSON.parse(line) as { event: string }).event);

  const read = (id: string) => readSecretVersion(client, id);
  const open = (id: string) => openPlatformKeys({ clock, log, metrics: NO_METRICS }, id, read);
  /** As every process does before it looks at a request. */
  const fresh = () => Promise.all(keys.map((each) => each.fresh()));

  beforeAll(async () => {
    const secrets = {
      [CURSORS]: randomBytes(48).toString('base64'),
      [IDENTITY]: randomBytes(48).toString('base64'),
    };
    aws = await startAwsEndpoint({ [SECRETS]: createSecretsService(secrets) });
    client = new SecretsManagerClient(clientConfig(aws));
    clock = createVirtualClock({ start: Date.now(), keep: () => Promise.resolve() });
    const [cursors, identity] = await Promise.all([open(CURSORS), open(IDENTITY)]);
    keys = [cursors, identity];
    const database = await createTestDatabase();
    api = await startTestApi(database, { clock, keys: { cursors, identity } });
    people = createPeople(api, database);
    turn = createTurnKeys({
      client,
      secrets: { 'cursor-key': CURSORS, 'identity-key': IDENTITY },
      randomBytes,
      clock,
      log,
      metrics: NO_METRICS,
    });
  });
  afterAll(async () => {
    await api?.close();
    client?.destroy();
    await aws?.close();
  });

  async function ask(path: string, body?: Json, token?: string): Promise<JsonObject> {
    const response = await fetch(`${api.server.url}/api/v1${path}`, {
      method: body === undefined ? 'GET' : 'POST',
      headers: {
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return { status: response.status, ...((await response.json()) as JsonObject) };
  }

  it('breaks no list, no session, no authenticator and no recovery code', async () => {
    const { slug, tenant } = await people.tenant();
    const { email } = await people.user(tenant, { roles: ['owner'], password: PASSWORD });
    const credentials = { tenant: slug, email, password: PASSWORD };
    const login = () => ask('/auth/login', credentials);
    const { access_token } = await login();
    const enrolled = await ask('/auth/mfa/totp', {}, String(access_token));
    const codeNow = () =>
      new TOTP({ secret: String(enrolled['secret']), period: 30 }).generate({
        timestamp: clock.now(),
      });
    const confirmed = await ask(
      '/auth/mfa/totp/confirm',
      { code: codeNow() },
      String(access_token),
    );
    const recovery = confirmed['recovery_codes'] as readonly string[];
    expect(recovery).toHaveLength(10);
    const verify = async (code: string) =>
      ask('/auth/mfa/verify', { mfa_token: (await login())['mfa_token'] as string, code });

    const apiKey = await api.createKey(tenant, ['*']);
    for (const workflow_id of ['one', 'two', 'three']) {
      await api.client(apiKey).createWorkflow({ body: aDefinition({ workflow_id }) as never });
    }
    const list = (cursor?: string) =>
      ask(
        `/workflows?limit=1${cursor === undefined ? '' : `&cursor=${cursor}`}`,
        undefined,
        apiKey,
      );
    const before = String((await list())['next_cursor']);

    expect(await turn({})).toMatchObject({
      [CURSORS]: { made_for: null, dropped: 0, age_days: 0 },
      [IDENTITY]: { made_for: null, dropped: 0, age_days: 0 },
    });
    const first = readKeyRing((await read(IDENTITY))?.text ?? '', 0);
    const turnsAt = first[0].from + 90 * DAY;
    await clock.advance(turnsAt - 9 * DAY - clock.now());
    const made = await turn({});
    expect(made[IDENTITY]).toMatchObject({ made_for: new Date(turnsAt).toISOString() });
    expect(await turn({})).toMatchObject({ [IDENTITY]: { made_for: null } });
    expect(events()).toContain('PLATFORM_KEY_MADE');

    // Seconds before the turn: a session goes on, and a list is begun.
    await clock.advance(turnsAt - 3_000 - clock.now());
    await fresh();
    const signedIn = await verify(codeNow());
    expect(signedIn['status']).toBe(200);
    const token = String(signedIn['refresh_token']);
    const refreshed = await ask('/auth/refresh', { refresh_token: token });
    expect(refreshed['status']).toBe(200);
    const justBefore = String((await list())['next_cursor']);

    await clock.advance(5_000);
    await fresh();
    const after = String((await list())['next_cursor']);
    // The answer was lost, and the client asks again: the same token follows, under the key of before.
    const repeated = await ask('/auth/refresh', { refresh_token: token });
    expect(repeated).toMatchObject({ status: 200, refresh_token: refreshed['refresh_token'] });
    const onwards = await ask('/auth/refresh', {
      refresh_token: String(repeated['refresh_token']),
    });
    expect(onwards['status']).toBe(200);

    expect(new Set([before, after]).size).toBe(2);
    expect(justBefore).toBe(before);
    for (const cursor of [before, after]) expect(await list(cursor)).toMatchObject({ status: 200 });

    await clock.advance(31_000);
    expect(await verify(codeNow())).toMatchObject({ status: 200 });
    expect(await verify(recovery[0] ?? '')).toMatchObject({ status: 200 });
    expect(await verify(recovery[0] ?? '')).toMatchObject({ code: 'CREDENTIALS_INVALID' });

    // Ninety days after its last use nothing of cursors is left of it; what identity sealed is opened for ever.
    await clock.advance(91 * DAY);
    const last = await turn({});
    expect(last[CURSORS]).toMatchObject({ dropped: 1 });
    expect(last[IDENTITY]).toMatchObject({ dropped: 0 });
    await clock.advance(3_600_000);
    await fresh();
    expect(await list(before)).toMatchObject({ status: 400, code: 'CURSOR_INVALID' });
    expect(await list(after)).toMatchObject({ status: 200 });
    expect(await verify(codeNow())).toMatchObject({ status: 200 });
    expect(await verify(recovery[1] ?? '')).toMatchObject({ status: 200 });
  });

  it('goes on with the keys that it knows while they cannot be read, and reads again', async () => {
    const own = await open(CURSORS);
    const known = own.all().length;
    const ring = readKeyRing((await read(CURSORS))?.text ?? '', 0);
    await replaceSecret(client, CURSORS, '{"keys": "none"}');
    await clock.advance(3_600_000);
    await own.fresh();
    expect(own.all()).toHaveLength(known);
    expect(events()).toContain('PLATFORM_KEYS_KEPT');
    const [first, ...others] = ring;
    const next = { key: randomBytes(48), from: clock.now() + DAY };
    await replaceSecret(client, CURSORS, writeKeyRing([first, ...others, next]));
    await own.fresh();
    expect(own.all()).toHaveLength(known);
    await clock.advance(60_000);
    await own.fresh();
    expect(own.all()).toHaveLength(known + 1);
  });

  it('one secret that cannot be turned does not keep the other from it, and is told', async () => {
    await replaceSecret(client, CURSORS, '{"keys": "none"}');
    await clock.advance(85 * DAY);
    const length = async () => readKeyRing((await read(IDENTITY))?.text ?? '', 0).length;
    const before = await length();
    await expect(turn({})).rejects.toThrow('the secret is no ring of keys');
    expect(await length()).toBe(before + 1);
  });

  it('a key that may be known is turned when somebody says so, a day later', async () => {
    await replaceSecret(client, CURSORS, randomBytes(48).toString('base64'));
    const turned = await turn({ turn: CURSORS });
    expect(turned[CURSORS].made_for).toBe(new Date(clock.now() + DAY).toISOString());
    await expect(turn({ turn: 'sesame' })).rejects.toThrow('use one of cursor-key, identity-key');
  });
});
