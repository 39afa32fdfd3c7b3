import {
  createHmac,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign as signBytes,
} from 'node:crypto';

/**
 * Access tokens that nobody issued: variants of a good one, each with what makes it bad. The attacker has
 * our public keys, may have a good token of their own, and does not have our private key; where a variant
 * is signed with it all the same, something else about the token must be enough to refuse it.
 */
export interface Forgery {
  readonly name: string;
  readonly token: string;
}

export interface Good {
  readonly token: string;
  /** Of the key that signed it. */
  readonly privateKey: KeyObject;
  readonly now: number;
  /** Somebody else who exists: of the same tenant, and of another. */
  readonly otherUser: string;
  readonly otherSession: string;
  readonly otherTenant: string;
}

type Claims = Readonly<Record<string, unknown>>;

const RSA = generateKeyPairSync('rsa', { modulusLength: 2_048 });
const EC = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const ED = generateKeyPairSync('ed25519');

const encode = (value: unknown): string =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');
const decode = (part: string): Claims =>
  JSON.parse(Buffer.from(part, 'base64url').toString()) as Claims;
const without = (claims: Claims, name: string): Claims =>
  Object.fromEntries(Object.entries(claims).filter(([each]) => each !== name));

export function forgeries(good: Good): Forgery[] {
  const [head64 = '', body64 = '', signature = ''] = good.token.split('.');
  const head = decode(head64);
  const body = decode(body64);
  const seconds = Math.floor(good.now / 1_000);
  const made: Forgery[] = [];
  const add = (name: string, token: string): void => void made.push({ name, token });

  const rs256 = (header: unknown, claims: unknown, key = good.privateKey, digest = 'sha256') => {
    const text = `${encode(header)}.${encode(claims)}`;
    return `${text}.${signBytes(digest, Buffer.from(text), key).toString('base64url')}`;
  };
  const hmac = (alg: string, secret: string | Buffer): string => {
    const text = `${encode({ ...head, alg })}.${body64}`;
    const digest = `sha${alg.slice(2)}`;
    return `${text}.${createHmac(digest, secret).update(text).digest('base64url')}`;
  };

  // No signature, or one that is not over these bytes
  for (const alg of ['none', 'None', 'NONE', 'nOnE', '']) {
    add(`alg ${JSON.stringify(alg)}, no signature`, `${encode({ ...head, alg })}.${body64}.`);
    add(`alg ${JSON.stringify(alg)}`, `${encode({ ...head, alg })}.${body64}.${signature}`);
  }
  add('no alg', `${encode(without(head, 'alg'))}.${body64}.${signature}`);
  add('signature left out', `${head64}.${body64}.`);
  add('two parts', `${head64}.${body64}`);
  add('four parts', `${good.token}.${signature}`);
  add('five parts, as if encrypted', `${head64}..${body64}.${signature}.${signature}`);
  add('signature cut', good.token.slice(0, -8));
  add('signature with a bit turned', `${head64}.${body64}.${turned(signature, 10)}`);
  add(
    'signature with unused bits set',
    `${head64}.${body64}.${turned(signature, signature.length - 1)}`,
  );
  add('signature with padding', `${good.token}==`);
  add('signature in the other alphabet', `${head64}.${body64}.+/${signature.slice(2)}`);
  add('signature of zeros', `${head64}.${body64}.${'A'.repeat(signature.length)}`);
  add(
    'signature of another token',
    rs256(head, { ...body, jti: 'x' }).replace(/^[^.]+\.[^.]+/, `${head64}.${body64}`),
  );
  add(
    'roles raised',
    `${head64}.${encode({ ...body, roles: ['owner', 'platform'], permissions: ['*'] })}.${signature}`,
  );
  add(
    'tenant changed',
    `${head64}.${encode({ ...body, tenant_id: good.otherTenant })}.${signature}`,
  );
  add('end moved', `${head64}.${encode({ ...body, exp: seconds + 86_400 })}.${signature}`);

  // Another algorithm
  const pem = createPublicKey(good.privateKey).export({ format: 'pem', type: 'spki' }) as string;
  const der = createPublicKey(good.privateKey).export({ format: 'der', type: 'spki' });
  const { n = '' } = createPublicKey(good.privateKey).export({ format: 'jwk' });
  for (const alg of ['HS256', 'HS384', 'HS512']) {
    add(`${alg} with our public key as PEM`, hmac(alg, pem));
    add(`${alg} with our public key as DER`, hmac(alg, der));
    add(`${alg} with our modulus`, hmac(alg, n));
    add(`${alg} with nothing`, hmac(alg, ''));
  }
  add('RS384', rs256({ ...head, alg: 'RS384' }, body, good.privateKey, 'sha384'));
  add('RS512', rs256({ ...head, alg: 'RS512' }, body, good.privateKey, 'sha512'));
  add('RS256 that is RS512', rs256(head, body, good.privateKey, 'sha512'));
  add('PS256 by name', rs256({ ...head, alg: 'PS256' }, body));
  add('ES256 with a key of theirs', rs256({ ...head, alg: 'ES256' }, body, EC.privateKey));
  const edText = `${encode({ ...head, alg: 'EdDSA' })}.${body64}`;
  add(
    'EdDSA with a key of theirs',
    `${edText}.${signBytes(null, Buffer.from(edText), ED.privateKey).toString('base64url')}`,
  );

  // Another key
  const jwk = RSA.publicKey.export({ format: 'jwk' });
  const theirs = (more: Claims): string => rs256({ ...head, ...more }, body, RSA.privateKey);
  add('a key of theirs under our kid', theirs({}));
  add('a key of theirs in the header', theirs({ jwk }));
  add('a key of theirs at an address', theirs({ jku: 'https://keys.example/jwks.json' }));
  add('a certificate of theirs at an address', theirs({ x5u: 'https://keys.example/cert.pem' }));
  add('a certificate of theirs', theirs({ x5c: [der.toString('base64')] }));
  for (const kid of [
    '',
    'unknown',
    '../../../dev/null',
    "' or '1'='1",
    'x'.repeat(4_000),
    7,
    null,
    [],
    {},
  ]) {
    const name = JSON.stringify(kid).slice(0, 24);
    add(`a key of theirs under kid ${name}`, theirs({ kid }));
    add(`our key under kid ${name}`, rs256({ ...head, kid }, body));
  }
  add('no kid', rs256(without(head, 'kid'), body));
  add('our key, and one of theirs in the header', rs256({ ...head, jwk }, body));
  add('our key, and an address of keys', rs256({ ...head, jku: 'https://keys.example' }, body));

  // Another kind of token
  add('crit', rs256({ ...head, crit: ['exp'] }, body));
  add('crit of something unknown', rs256({ ...head, crit: ['cloudflow'], cloudflow: true }, body));
  add('b64 false', rs256({ ...head, b64: false, crit: ['b64'] }, body));
  for (const typ of ['JWT', 'at+JWT ', 'rt+jwt', 'audit-head+jwt', '', 1, null]) {
    add(`typ ${JSON.stringify(typ)}`, rs256({ ...head, typ }, body));
  }
  add('no typ', rs256(without(head, 'typ'), body));

  // Other claims, signed by us
  for (const name of ['iss', 'aud', 'sub', 'jti', 'exp', 'iat', 'tenant_id', 'sid', 'mode']) {
    add(`no ${name}`, rs256(head, without(body, name)));
    add(`${name} null`, rs256(head, { ...body, [name]: null }));
  }
  const claims: Record<string, Claims> = {
    'another issuer': { iss: 'https://evil.example' },
    'issuers in a list': { iss: [body['iss']] },
    'our issuer with a slash': { iss: `${String(body['iss'])}/` },
    'another audience': { aud: 'cloudflow-socket' },
    'our audience among others': { aud: ['cloudflow-api', 'evil'] },
    'has ended': { exp: seconds - 60 },
    'ends as text': { exp: String(seconds + 600) },
    'ends at no number': { exp: {} },
    'not yet': { nbf: seconds + 600 },
    'another user': { sub: good.otherUser, user_id: good.otherUser },
    'another session': { sid: good.otherSession },
    'another tenant': { tenant_id: good.otherTenant },
    'no such session': { sid: '00000000-0000-7000-8000-000000000000' },
    'another mode': { mode: 'test' },
    'no such mode': { mode: 'admin' },
    'a tenant that is SQL': { tenant_id: "' or '1'='1" },
    'a session that is a list': { sid: [body['sid']] },
    'a user that is an object': { sub: { id: body['sub'] } },
  };
  for (const [name, more] of Object.entries(claims)) add(name, rs256(head, { ...body, ...more }));

  // No token at all
  for (const [name, text] of [
    ['claims that are a list', '[]'],
    ['claims that are text', '"x"'],
    ['claims that are null', 'null'],
    ['claims that are no JSON', '{"sub":'],
    ['no claims', ''],
  ] as const) {
    add(name, rs256(head, text));
  }
  add('a head that is no JSON', `${encode('{')}.${body64}.${signature}`);
  add('a head that is a list', `${encode([])}.${body64}.${signature}`);
  add('dots', '..');
  add('9,000 letters', rs256(head, { ...body, pad: 'x'.repeat(9_000) }));
  return made;
}

/** The text with one bit of one letter turned. */
function turned(text: string, at: number): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  const other = alphabet.charAt(alphabet.indexOf(text.charAt(at)) ^ 1);
  return text.slice(0, at) + other + text.slice(at + 1);
}
