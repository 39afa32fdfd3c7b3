import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { BREAKERS, type BreakerName, breakerNames } from '#config/breakers.ts';
import { ROOT } from '../../bin/build/bundle.ts';

/**
 * Everything of ours that can open a connection, and what keeps a caller from waiting for whoever does not
 * answer any more. A file that can and is not here fails; so does a line that nothing is behind.
 *
 *  - a name of config/breakers.ts: a breaker of the process;
 *  - `gate`: a breaker for each tenant and target, in front of whoever holds the port;
 *  - `pool`: gives up by itself, and nothing works without it anyway;
 *  - `loop`: nobody waits for it, and it asks again after pauses that grow;
 *  - `told`: sent and never waited for;
 *  - `operator`: one act of somebody who watches it;
 *  - `inbound`: others open it;
 *  - `inside`: has no connection of its own, only the library's words.
 */
type Guard =
  | BreakerName
  | 'gate'
  | 'pool'
  | 'loop'
  | 'told'
  | 'operator'
  | 'inbound'
  | 'inside'
  | 'aws';

const GUARDS: readonly (readonly [RegExp, Guard])[] = [
  // Each client by its own breaker: see aws/guarded.test.ts.
  [/^lib\/adapters\/(?!kafka|redis|xray)\w+\/.*@aws-sdk/, 'aws'],
  [/^lib\/adapters\/kafka\/msk-login\.ts .*@aws-sdk/, 'aws'],
  [/^functions\/.*@aws-sdk/, 'aws'],
  [/^lib\/adapters\/redis\/connect\.ts/, 'cache'],
  [/^lib\/adapters\/kafka\/writer\.ts/, 'event_log'],
  [/^lib\/adapters\/kafka\/reader\.ts/, 'loop'],
  // Questions go out through the writer; who waits for an answer gives up after the time limit of replies.
  [/^lib\/adapters\/kafka\/requests\.ts/, 'loop'],
  [/^lib\/adapters\/kafka\/(?:topics|event-log|topic-inventory)\.ts/, 'operator'],
  [/^lib\/adapters\/http\/(?:undici-http|node-http|dns-resolver)\.ts/, 'gate'],
  // What asks whether the platform answers: a time limit for each, and the next after ten seconds.
  [/^lib\/adapters\/http\/answers\.ts/, 'loop'],
  [/^lib\/adapters\/postgres-target\//, 'gate'],
  [/^lib\/adapters\/openid\//, 'inside'],
  [/^lib\/adapters\/postgres\//, 'pool'],
  [/^lib\/adapters\/xray\/tracer\.ts/, 'told'],
  [/^lib\/local\/(?:http-server|http-refusals|aws-endpoint\/server)\.ts/, 'inbound'],
  [/^functions\/shared\/engine-health\.ts/, 'inbound'],
  // The laptop's own database and targets of its examples.
  [/^lib\/local\/(?:embedded-postgres|platform\/ground)\.ts/, 'pool'],
  [/^lib\/local\/demo\.ts/, 'inbound'],
];

/** Modules whose values open connections. */
const NETWORK =
  /^import (?!type\b)([^;]*?) from '((?:@aws-sdk\/client-[\w-]+)|pg|@redis\/client|@platformatic\/kafka|undici|openid-client|node:(?:dns|dns\/promises|net|dgram|http|https|http2|tls))';/gm;

const sources = globSync('{lib,functions}/**/*.ts', { cwd: ROOT }).sort();
const textOf = (file: string): string => readFileSync(join(ROOT, file), 'utf8');

/** As `file module`, without those that take types alone. */
const reaching = sources.flatMap((file) =>
  [...textOf(file).matchAll(NETWORK)]
    .filter(([, names = '']) => {
      const listed = /\{([^}]*)\}/.exec(names)?.[1];
      if (listed === undefined) return true;
      return listed
        .split(',')
        .map((name) => name.trim())
        .some((name) => name !== '' && !name.startsWith('type '));
    })
    .map(([, , module]) => `${file} ${module}`),
);

/** Files that call one of these, but for the one that defines it. */
const callersOf = (...names: string[]): string[] =>
  sources.filter((file) => {
    const text = textOf(file);
    return names.some(
      (name) => text.includes(`${name}(`) && !text.includes(`export function ${name}(`),
    );
  });

describe('whatever can open a connection', () => {
  it('has something in front of it that gives up', () => {
    expect(reaching.length).toBeGreaterThan(30);
    const bare = reaching.filter((one) => !GUARDS.some(([pattern]) => pattern.test(one)));
    expect(bare).toEqual([]);
  });

  it('is in the table for a reason', () => {
    const idle = GUARDS.filter(([pattern]) => !reaching.some((one) => pattern.test(one)));
    expect(idle.map(([pattern]) => String(pattern))).toEqual([]);
  });

  it.each(breakerNames.filter((name) => BREAKERS[name].client === null))(
    '%s: its breaker is made, and the table says for what',
    (name) => {
      const made = sources.filter((file) => textOf(file).includes(`createBreaker('${name}'`));
      expect(made.length).toBeGreaterThan(0);
      expect(GUARDS.some(([, guard]) => guard === name)).toBe(true);
    },
  );

  it('of tenants’ targets is given to those only who have a gate', () => {
    const makers = callersOf(
      ...['createUndiciHttp', 'createNodeHttp', 'createDatabases', 'createPostgresDatabases'],
    );
    expect(makers.length).toBeGreaterThanOrEqual(3);
    for (const file of makers) {
      const text = textOf(file);
      // The performer of steps and the way to identity providers both have theirs.
      expect([file, /createOutboundGate\(|createSso\(/.test(text)]).toEqual([file, true]);
    }
    expect(textOf('functions/sso/create-sso.ts')).toContain('createGatedHttp(deps.http, gate)');
    for (const file of ['lib/steps/http-request.ts', 'lib/steps/database-operation.ts']) {
      expect(textOf(file)).toContain('through(deps.gate,');
    }
  });
});
