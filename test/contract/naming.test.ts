import { describe, expect, it } from 'vitest';
import { THINGS } from '#core/naming.ts';
import { allMembers, nameOf } from '#test/support/named-members.ts';

/** Where texts stand that name nothing anybody owns. A member that is new is thought about. */
const NAMES_NOTHING: ReadonlySet<string> = new Set([
  // Words for people, and of the platform.
  'body/name',
  'body/about',
  'body/reason',
  'body/comment',
  'body/message',
  'body/code',
  'body/device',
  'body/labels/*',
  'body/preferences/locale',
  'body/preferences/time_zone',
  'query/step_type',
  'query/operation',
  'query/group',
  // What proves who somebody is.
  'body/password',
  'body/current_password',
  'body/new_password',
  'body/client_secret',
  'body/secrets/*',
  'body/code_verifier',
  'body/SAMLResponse',
  // Of whoever signs in, and of providers.
  'query/return_to',
  'query/code_challenge',
  'query/state',
  'query/code',
  'query/iss',
  'query/error',
  // Outside.
  'body/settings/allowed_origins/0',
  'body/statement',
]);
/** Shapes that say where something outside is and how it is spoken to. */
const OUTSIDE = /^body\/(?:connection|protocol|parameters)\//;

describe('texts in requests', () => {
  it('each says what it names, or is known to name nothing', () => {
    const unknown = allMembers.filter(({ thing, place, path }) => {
      const at = `${place}/${path.join('/')}`;
      return thing === null && !OUTSIDE.test(at) && !NAMES_NOTHING.has(at);
    });
    expect(unknown.map(nameOf)).toEqual([]);
  });

  it('whatever stands in a path names a thing', () => {
    const silent = allMembers.filter(({ place, thing }) => place === 'params' && thing === null);
    expect(silent.map(nameOf)).toEqual([]);
  });

  it('every kind of thing is named somewhere', () => {
    const named = new Set(allMembers.map(({ thing }) => thing));
    expect(THINGS.filter((thing) => !named.has(thing))).toEqual([]);
  });
});
