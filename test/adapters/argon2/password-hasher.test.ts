import { expect, it } from 'vitest';
import { createArgon2Hasher } from '#adapters/argon2/password-hasher.ts';

const hasher = createArgon2Hasher();
/** Of `password`, by another implementation (argon2 of Rust), with our parameters. */
const FOREIGN =
  '$argon2id$v=19$m=65536,t=4,p=1$15QwKIrSshMdOZ4lj8flpg$ps7iF05LG91pYHxpezOO8WJQnaVbeAoh5oMn7L8MfLY';

it('a hash says how it was made, has a salt of its own, and only its password fits', async () => {
  const [one, two] = await Promise.all([hasher.hash('pässwörd 🙂'), hasher.hash('pässwörd 🙂')]);
  expect(one).toMatch(/^\$argon2id\$v=19\$m=65536,p=1,t=4\$/);
  expect(one).not.toBe(two);
  expect(await hasher.verify(one, 'pässwörd 🙂')).toBe(true);
  expect(await hasher.verify(one, 'pässwörd')).toBe(false);
  expect(await hasher.verify(one, '')).toBe(false);
  expect(hasher.needsRehash(one)).toBe(false);
});

it('a hash of another implementation is verified', async () => {
  expect(await hasher.verify(FOREIGN, 'password')).toBe(true);
  expect(await hasher.verify(FOREIGN, 'Password')).toBe(false);
  expect(hasher.needsRehash(FOREIGN)).toBe(false);
});

it.each([
  ['less memory', 'm=19456,t=4,p=1'],
  ['more passes', 'm=65536,t=5,p=1'],
  ['more lanes', 'm=65536,t=4,p=4'],
])('a hash made with %s is to be made anew', (_, parameters) => {
  expect(hasher.needsRehash(FOREIGN.replace('m=65536,t=4,p=1', parameters))).toBe(true);
});

it.each([
  ['nothing', ''],
  ['a password', 'password'],
  ['a hash of bcrypt', '$2b$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy'],
  ['a hash of Argon2i', FOREIGN.replace('argon2id', 'argon2i')],
  ['half a hash', FOREIGN.slice(0, -20)],
  ['a hash that takes 4 GiB', FOREIGN.replace('m=65536', 'm=4194304')],
  ['a hash of a thousand passes', FOREIGN.replace('t=4', 't=1000')],
  ['a hash without a cost', FOREIGN.replace('t=4', 'x=4')],
])('%s is refused, and the refusal does not repeat it', async (_, text) => {
  const refused = await hasher.verify(text, 'password').catch((error: unknown) => error);
  expect(refused).toBeInstanceOf(TypeError);
  if (text !== '') expect(String(refused)).not.toContain(text);
  expect(() => hasher.needsRehash(text)).toThrow(TypeError);
});
