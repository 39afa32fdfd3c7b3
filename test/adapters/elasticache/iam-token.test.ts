import { createHash, createHmac } from 'node:crypto';
import { expect, it } from 'vitest';
import { createCacheToken } from '#adapters/elasticache/iam-token.ts';

const CREDENTIALS = {
  accessKeyId: 'AKIDNOBODY',
  secretAccessKey: 'nothing',
  sessionToken: 'of/a+role==',
};
const CACHE = 'cloudflow-dev';
const USER = 'cloudflow-dev-programs';
const REGION = 'eu-central-1';

const token = (credentials: typeof CREDENTIALS = CREDENTIALS) =>
  createCacheToken({ cache: CACHE, user: USER, region: REGION, credentials })();

const queryOf = (made: string) => new URL(`http://${made}`).searchParams;

/** Signature Version 4 of a request that is signed in its query, as AWS documents it. */
function signatureOf(made: string, secret: string): string {
  const query = [...queryOf(made)].filter(([name]) => name !== 'X-Amz-Signature');
  const encode = (text: string) =>
    encodeURIComponent(text).replaceAll(
      /[!'()*]/g,
      (letter) => `%${letter.charCodeAt(0).toString(16).toUpperCase()}`,
    );
  const canonical = [
    'GET',
    '/',
    query
      .map(([name, value]) => `${encode(name)}=${encode(value)}`)
      .sort()
      .join('&'),
    `host:${CACHE}\n`,
    'host',
    createHash('sha256').update('').digest('hex'),
  ].join('\n');
  const date = queryOf(made).get('X-Amz-Date') ?? '';
  const scope = `${date.slice(0, 8)}/${REGION}/elasticache/aws4_request`;
  const text = [
    'AWS4-HMAC-SHA256',
    date,
    scope,
    createHash('sha256').update(canonical).digest('hex'),
  ].join('\n');
  const key = scope
    .split('/')
    .reduce<string | Buffer>(
      (by, part) => createHmac('sha256', by).update(part).digest(),
      `AWS4${secret}`,
    );
  return createHmac('sha256', key).update(text).digest('hex');
}

it('a token is a request to connect as the user, without its scheme, for 15 minutes', async () => {
  const before = Date.now();
  const made = await token();
  expect(made.startsWith(`${CACHE}/?`)).toBe(true);
  expect(Object.fromEntries(queryOf(made))).toMatchObject({
    Action: 'connect',
    User: USER,
    'X-Amz-Algorithm': 'AWS4-HMAC-SHA256',
    'X-Amz-Expires': '900',
    'X-Amz-Security-Token': CREDENTIALS.sessionToken,
    'X-Amz-SignedHeaders': 'host',
    'X-Amz-Credential': expect.stringMatching(
      /^AKIDNOBODY\/\d{8}\/eu-central-1\/elasticache\/aws4_request$/,
    ),
  });
  const at = String(queryOf(made).get('X-Amz-Date')).replace(
    /^(....)(..)(..)T(..)(..)(..)Z$/,
    '$1-$2-$3T$4:$5:$6Z',
  );
  expect(Date.parse(at)).toBeGreaterThan(before - 2_000);
  expect(Date.parse(at)).toBeLessThan(Date.now() + 2_000);
});

it('it is signed as AWS documents it, by these credentials and no others', async () => {
  const made = await token();
  const signature = queryOf(made).get('X-Amz-Signature');
  expect(signature).toBe(signatureOf(made, CREDENTIALS.secretAccessKey));
  expect(signature).not.toBe(signatureOf(made, 'else'));
  expect(made).not.toContain(CREDENTIALS.secretAccessKey);
});

it('every token asks for credentials anew, for those of a role expire', async () => {
  const given = [CREDENTIALS, { ...CREDENTIALS, accessKeyId: 'AKIDSUCCESSOR' }];
  const next = createCacheToken({
    cache: CACHE,
    user: USER,
    region: REGION,
    credentials: async () => given.shift() ?? CREDENTIALS,
  });
  expect(queryOf(await next()).get('X-Amz-Credential')).toMatch(/^AKIDNOBODY\//);
  expect(queryOf(await next()).get('X-Amz-Credential')).toMatch(/^AKIDSUCCESSOR\//);
});

it('without credentials there is no token, and it says why', async () => {
  const made = createCacheToken({
    cache: CACHE,
    user: USER,
    region: REGION,
    credentials: () => Promise.reject(new Error('no role here')),
  });
  await expect(made()).rejects.toThrow('no role here');
});
