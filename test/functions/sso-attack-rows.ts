import type { Answer, Script } from '#test/support/identity-providers/hostile-process.ts';

/** What identity providers and strangers may say; `ISSUER` stands for the provider's own. */
const now = () => Math.floor(Date.now() / 1_000);
const LONG = 'x'.repeat(2_000);

type Row = readonly [name: string, script: Script];

export const ID_TOKENS: readonly Row[] = [
  ['another issuer', { idToken: { claims: { iss: 'https://evil.example' } } }],
  ['its issuer with a slash', { idToken: { claims: { iss: 'ISSUER/' } } }],
  ['no issuer', { idToken: { claims: { iss: null } } }],
  ['an issuer that is a list', { idToken: { claims: { iss: ['ISSUER'] } } }],
  ['another client', { idToken: { claims: { aud: 'another' } } }],
  ['another client, in a list', { idToken: { claims: { aud: ['another'] } } }],
  ['no client', { idToken: { claims: { aud: null } } }],
  ['us among others, and no party', { idToken: { claims: { aud: ['cloudflow', 'another'] } } }],
  [
    'us among others, for another party',
    { idToken: { claims: { aud: ['cloudflow', 'another'], azp: 'another' } } },
  ],
  ['us, for another party', { idToken: { claims: { azp: 'another' } } }],
  ['the nonce of another sign-in', { idToken: { claims: { nonce: 'A'.repeat(43) } } }],
  ['no nonce', { idToken: { claims: { nonce: null } } }],
  ['a nonce that is a list', { idToken: { claims: { nonce: ['A'] } } }],
  ['an end in the past', { idToken: { claims: { exp: now() - 60 } } }],
  ['no end', { idToken: { claims: { exp: null } } }],
  ['an end that is text', { idToken: { claims: { exp: String(now() + 300) } } }],
  ['a beginning in the future', { idToken: { claims: { nbf: now() + 600 } } }],
  ['no time of its making', { idToken: { claims: { iat: null } } }],
  ['no subject', { idToken: { claims: { sub: null } } }],
  ['an empty subject', { idToken: { claims: { sub: '' } } }],
  ['a subject that is a number', { idToken: { claims: { sub: 7 } } }],
  ['a subject with NUL', { idToken: { claims: { sub: 'some\u0000body' } } }],
  ['a subject with half a character', { idToken: { claims: { sub: '\ud800' } } }],
  ['a subject of 2,000 letters', { idToken: { claims: { sub: LONG } } }],
  ['no signature, alg none', { idToken: { header: { alg: 'none' }, by: 'nobody' } }],
  ['no signature, alg NONE', { idToken: { header: { alg: 'NONE' }, by: 'nobody' } }],
  ['no signature, alg RS256', { idToken: { by: 'nobody' } }],
  [
    'HS256 with its public key',
    { idToken: { header: { alg: 'HS256' }, by: 'hmac-of-public-key' } },
  ],
  ['HS256 with our client secret', { idToken: { header: { alg: 'HS256' }, by: 'hmac-of-secret' } }],
  ['the key of a stranger under its kid', { idToken: { by: 'stranger' } }],
  ['the key of a stranger under no kid', { idToken: { header: { kid: null }, by: 'stranger' } }],
  ['a kid that it has not', { idToken: { header: { kid: 'two' } } }],
  ['RS512, where RS256 was named', { idToken: { header: { alg: 'RS512' }, by: 'sha512' } }],
  ['crit', { idToken: { header: { crit: ['exp'] } } }],
  [
    'the type of another token',
    { idToken: { header: { typ: 'at+jwt' } }, token: { id_token: 'x' } },
  ],
  ['three dots', { token: { id_token: '...' } }],
  ['no token at all', { idToken: null }],
];

export const ADDRESSES: readonly (readonly [string, Record<string, unknown>])[] = [
  ['is not verified', { email_verified: false }],
  ['is verified in words', { email_verified: 'true' }],
  ['is verified by a one', { email_verified: 1 }],
  ['is of nobody says whom', { email_verified: null }],
  ['is of another domain', { email: 'ada@evil.example' }],
  ['is of a domain that begins alike', { email: 'ada@example.com.evil.example' }],
  ['is of a domain that ends alike', { email: 'ada@evil-example.com' }],
  ['is of a domain below', { email: 'ada@mail.example.com' }],
  ['has two domains', { email: 'ada@example.com@evil.example' }],
  ['is of a domain that looks alike', { email: 'ada@ex\u0430mple.com' }],
  ['is a list', { email: ['ada@example.com'] }],
  ['is an object', { email: { a: 'ada@example.com' } }],
  ['is two', { email: 'ada@example.com, eve@example.com' }],
  ['has a name around it', { email: 'Eve <ada@example.com>' }],
  ['holds a line', { email: 'ada@example.com\nbcc: eve@evil.example' }],
  ['is empty', { email: '' }],
];

export const OTHER_ANSWERS: readonly (readonly [string, number, Script['at'] & object])[] = [
  [
    'a token endpoint that leads to the metadata service',
    401,
    { token: to('http://169.254.169.254/') },
  ],
  [
    'a token endpoint that leads on and keeps the method',
    401,
    { token: to('http://10.0.0.1/', 307) },
  ],
  ['a token endpoint that answers a page', 401, { token: page('<html>') }],
  ['a token endpoint that answers nothing', 401, { token: { body: '' } }],
  ['a token endpoint that answers a list', 401, { token: { body: '[]' } }],
  ['a token endpoint that answers half of it', 401, { token: { body: '{"access_token":' } }],
  ['a token endpoint that answers 100,000 levels', 401, { token: { body: '['.repeat(100_000) } }],
  ['a token endpoint that refuses the code', 401, { token: refusal('invalid_grant') }],
  ['a token endpoint that refuses in strange words', 401, { token: refusal('\u0000<script>') }],
  ['a token endpoint that fails', 424, { token: { status: 500, body: 'boom' } }],
  ['a token endpoint that never ends', 424, { token: { endless: true } }],
  ['a token endpoint that answers half a megabyte', 424, { token: { body: ' '.repeat(524_288) } }],
  ['keys that lead on', 401, { jwks: to('http://169.254.169.254/') }],
  ['no keys', 401, { jwks: { body: '{"keys":[]}' } }],
  ['keys that are no keys', 401, { jwks: { body: '{"keys":[1,null,"x",{}]}' } }],
  [
    'a symmetric key',
    401,
    { jwks: { body: '{"keys":[{"kty":"oct","kid":"one","k":"c2VjcmV0"}]}' } },
  ],
  ['keys that never end', 424, { jwks: { endless: true } }],
];

export const DISCOVERIES: readonly (readonly [string, Script])[] = [
  ['names another issuer', { discovery: { issuer: 'https://evil.example' } }],
  ['names its issuer with a slash', { discovery: { issuer: 'ISSUER/' } }],
  ['names no issuer', { discovery: { issuer: null } }],
  ['sends browsers to a script', { discovery: { authorization_endpoint: 'javascript:alert(1)' } }],
  [
    'sends browsers over plain http',
    { discovery: { authorization_endpoint: 'http://evil.example/' } },
  ],
  ['sends browsers nowhere', { discovery: { authorization_endpoint: null } }],
  [
    'sends browsers to a list',
    { discovery: { authorization_endpoint: ['https://evil.example/'] } },
  ],
  ['leads to the metadata service', { at: { discovery: to('http://169.254.169.254/') } }],
  ['has a number for its token endpoint', { discovery: { token_endpoint: 7 } }],
  ['has an object for its keys', { discovery: { jwks_uri: { a: 1 } } }],
  ['has null for who somebody is', { at: { discovery: { body: '{"userinfo_endpoint":null}' } } }],
  ['is a list', { at: { discovery: { body: '[]' } } }],
  ['is null', { at: { discovery: { body: 'null' } } }],
  ['is text', { at: { discovery: { body: '"x"' } } }],
  ['is 100,000 levels deep', { at: { discovery: { body: '['.repeat(100_000) } } }],
  ['is a page', { at: { discovery: page('<html>') } }],
  ['is not there', { at: { discovery: { status: 404 } } }],
  ['fails', { at: { discovery: { status: 503 } } }],
  ['never ends', { at: { discovery: { endless: true } } }],
  ['never comes', { at: { discovery: { never: true } } }],
];

export const RETURNS = [
  '//evil.example/callback',
  'https://evil.example/callback',
  'http://evil.example:80/callback',
  'http://localhost:4711/callback',
  'http://127.0.0.1.evil.example:4711/callback',
  'http://127.0.0.1:4711@evil.example/callback',
  'http://evil.example@127.0.0.1:4711/callback',
  'http://127.0.0.1:4711/callback/../evil',
  'http://127.0.0.1:4711/callback?next=evil',
  'http://127.0.0.1:4711/callback#evil',
  'http://127.0.0.1:4711/callback/',
  'http://127.0.0.1:4711\\@evil.example/callback',
  'http://127.0.0.1:99999/callback',
  'http://127.0.0.1:0/callback',
  'http://127.0.0.1/callback',
  'http://127.1:4711/callback',
  'http://2130706433:4711/callback',
  'http://0.0.0.0:4711/callback',
  'http://10.0.0.1:4711/callback',
  'http://[::ffff:127.0.0.1]:4711/callback',
  'https://127.0.0.1:4711/callback',
  'HTTP://127.0.0.1:4711/callback',
  ' http://127.0.0.1:4711/callback',
  'http://127.0.0.1:4711/callback\n',
  'javascript:alert(1)//127.0.0.1:4711/callback',
  'data:text/html,x',
  '/callback',
  'callback',
  '',
  'https://console.cloudflow.test.evil.example/callback',
  'https://console.cloudflow.test/callback/evil',
  'https://console.cloudflow.test/elsewhere',
  'http://console.cloudflow.test/callback',
  'https://console.cloudflow.test:444/callback',
];

export function to(location: string, status = 302): Answer {
  return { status, headers: { location } };
}

function page(body: string): Answer {
  return { headers: { 'content-type': 'text/html' }, body };
}

function refusal(error: string): Answer {
  return { status: 400, body: JSON.stringify({ error, error_description: `${error}\r\n\u0000` }) };
}
