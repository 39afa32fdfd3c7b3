import { readdirSync, readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { basename, dirname, join, normalize, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { forbiddenImports, ROOMS, type Room } from './support/rooms.ts';

const root = fileURLToPath(new URL('..', import.meta.url));

interface Import {
  readonly file: string;
  readonly specifier: string;
  readonly typeOnly: boolean;
}

function sourceFiles(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)));
}

function importsOf(file: string): Import[] {
  const text = readFileSync(join(root, file), 'utf8');
  const statement =
    /^\s*(?:import|export)\s+(type\s)?(?:[^'"`;]*?\sfrom\s+)?['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]\s*\)/gm;
  return [...text.matchAll(statement)].map((match) => ({
    file,
    specifier: (match[2] ?? match[3]) as string,
    typeOnly: match[1] !== undefined,
  }));
}

function packageOf(specifier: string): string {
  const parts = specifier.split('/');
  return specifier.startsWith('@') ? parts.slice(0, 2).join('/') : (parts[0] as string);
}

/** Why an import may not stand where it stands; null when it may. */
function breach(room: Room, { file, specifier, typeOnly }: Import): string | null {
  const { folder, rooms, packages } = ROOMS[room];
  if (specifier.startsWith('.')) {
    const target = normalize(join(dirname(file), specifier));
    return target.startsWith(`${folder}/`) ? null : 'a relative import leaves its room';
  }
  if (specifier.startsWith('#')) {
    const other = specifier.slice(1, specifier.indexOf('/'));
    return other === room || (rooms as readonly string[]).includes(other)
      ? null
      : `${room} may not import ${other}`;
  }
  const builtin = specifier.startsWith('node:') || builtinModules.includes(specifier);
  if (builtin) {
    const pure = room === 'core' || room === 'contract' || room === 'ports' || room === 'client';
    return pure ? `${room} is pure and may not import ${specifier}` : null;
  }
  if (packages === 'any' || typeOnly) return null;
  return (packages as readonly string[]).includes(packageOf(specifier))
    ? null
    : `${room} may not use the package ${packageOf(specifier)}`;
}

describe('the walls between rooms', () => {
  for (const room of Object.keys(ROOMS) as Room[]) {
    it(`${room} imports only what it may`, () => {
      const breaches = sourceFiles(ROOMS[room].folder)
        .flatMap(importsOf)
        .map((found) => ({ ...found, why: breach(room, found) }))
        .filter(({ why }) => why !== null)
        .map(({ file, specifier, why }) => `${file}: ${specifier}: ${why}`);
      expect(breaches).toEqual([]);
    });
  }

  it('a breach is found: a relative path out, a forbidden room, a built-in, a package', () => {
    const planted = (specifier: string) => ({ file: 'lib/core/x.ts', specifier, typeOnly: false });
    expect(breach('core', planted('../ports/clock.ts'))).not.toBeNull();
    expect(breach('core', planted('#ports/clock.ts'))).not.toBeNull();
    expect(breach('core', planted('node:fs'))).not.toBeNull();
    expect(breach('core', planted('fs'))).not.toBeNull();
    expect(breach('core', planted('pg'))).not.toBeNull();
    expect(breach('core', planted('./y.ts'))).toBeNull();
    expect(breach('core', planted('jsonata'))).toBeNull();
  });

  it('biome.json forbids the same imports, room by room', () => {
    const biome = JSON.parse(readFileSync(join(root, 'biome.json'), 'utf8')) as {
      overrides: {
        includes: string[];
        linter: {
          rules: {
            style?: {
              noRestrictedImports?: { options: { patterns: { group: string[] }[] } };
            };
          };
        };
      }[];
    };
    const linted = Object.fromEntries(
      biome.overrides.flatMap(({ includes, linter }) => {
        const rule = linter.rules.style?.noRestrictedImports;
        return rule === undefined
          ? []
          : [[includes.join(), rule.options.patterns.flatMap(({ group }) => group)]];
      }),
    );
    const expected = Object.fromEntries(
      (Object.keys(ROOMS) as Room[]).map((room) => [
        `${ROOMS[room].folder}/**`,
        forbiddenImports(room),
      ]),
    );
    expect(linted).toEqual(expected);
  });

  it('every room of package.json is a room with walls or an open one', () => {
    const { imports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
      imports: Record<string, string>;
    };
    const named = Object.keys(imports).map((key) => key.slice(1, key.indexOf('/')));
    expect(named.sort()).toEqual([...Object.keys(ROOMS), 'statemachines', 'test'].sort());
  });
});

describe('the judge of fault runs is no part of what it judges', () => {
  /** Packages that speak to servers for it; none of ours. */
  const PACKAGES = new Set(['pg', '@platformatic/kafka', 'vitest']);
  /** Files that a file reaches by relative imports, itself included. */
  function reached(file: string, seen = new Set<string>()): Set<string> {
    if (seen.has(file)) return seen;
    seen.add(file);
    for (const { specifier } of importsOf(file)) {
      if (specifier.startsWith('.')) reached(normalize(join(dirname(file), specifier)), seen);
    }
    return seen;
  }
  const strange = (file: string): string[] =>
    importsOf(file).flatMap(({ specifier }) => {
      if (specifier.startsWith('.') || specifier.startsWith('node:')) return [];
      return PACKAGES.has(packageOf(specifier)) ? [] : [`${file}: ${specifier}`];
    });

  it('the checker, its ledger, the target and the proxy import nothing of ours', () => {
    const roots = [
      ...sourceFiles('test/chaos/checker'),
      ...['files', 'records', 'load', 'target', 'proxy'].map((name) => `test/chaos/${name}.ts`),
    ];
    const all = new Set(roots.flatMap((file) => [...reached(file)]));
    expect([...all].filter((file) => !file.startsWith('test/chaos/'))).toEqual([]);
    expect([...all].flatMap(strange)).toEqual([]);
  });

  it('what starts servers for it names no more of ours than it needs', () => {
    const named = sourceFiles('test/chaos')
      .flatMap(importsOf)
      .filter(({ specifier }) => specifier.startsWith('#'))
      .filter(({ file, specifier }) => !isForStarting(file, specifier))
      .map(({ file, specifier }) => `${file}: ${specifier}`);
    expect(named).toEqual([]);
  });

  /** Servers, and what an operator does besides: a second tenant. */
  function isForStarting(file: string, specifier: string): boolean {
    if (file.endsWith('.test.ts')) return specifier === '#test/support/database.ts';
    if (!file.startsWith('test/chaos/world/')) return false;
    if (file.endsWith('/second-tenant.ts')) return true;
    return specifier.startsWith('#test/support/') || specifier === '#local/embedded-postgres.ts';
  }
});

describe('no file reads time or chance but through a port', () => {
  const readers = /\bDate\.now\(|\bnew Date\(\)|\bMath\.random\(|\bperformance\.now\(/;
  const allowed = new Set(['lib/adapters/local/system-clock.ts', 'lib/adapters/local/ids.ts']);

  it('core, steps, services and engine are free of clocks and dice', () => {
    const rooms: Room[] = ['core', 'contract', 'steps', 'services', 'engine'];
    const found = rooms
      .flatMap((room) => sourceFiles(ROOMS[room].folder))
      .filter((file) => !allowed.has(file) && readers.test(readFileSync(join(root, file), 'utf8')));
    expect(found).toEqual([]);
  });
});

describe('the project speaks for itself', () => {
  const folders = ['bin', 'lib', 'functions', 'test', 'docs', 'statemachines'];
  const files = folders
    .flatMap((folder) =>
      readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile() && /\.(?:ts|sql|json|md)$/.test(entry.name))
        .map((entry) => relative(root, join(entry.parentPath, entry.name))),
    )
    .filter((file) => !file.includes('node_modules') && file !== 'test/architecture.test.ts');
  const known = new Set(
    [...files, 'README.md'].filter((file) => file.endsWith('.md')).map((file) => basename(file)),
  );
  const unknownIn = (text: string): string[] =>
    [...text.matchAll(/\b[A-Za-z][\w-]*\.md\b/g)]
      .map(([name]) => name)
      .filter((name) => !known.has(name));

  // A reader who meets such a name finds nothing behind it: say the fact instead.
  it('no file names a document that is not here', () => {
    const found = [...files, 'README.md', 'package.json', 'biome.json'].flatMap((file) =>
      unknownIn(readFileSync(join(root, file), 'utf8')).map((name) => `${file}: ${name}`),
    );
    expect(found).toEqual([]);
  });

  it('such a name is found, and documents that are here are not', () => {
    expect(unknownIn('see elsewhere.md and docs/language.md')).toEqual(['elsewhere.md']);
  });
});
