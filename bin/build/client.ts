/**
 * The typed client as a package that can be published: one file of code, and declarations that say of each
 * operation what the contract says. It depends on typebox alone.
 */
import { spawnSync } from 'node:child_process';
import { globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { build } from 'esbuild';

const ENTRY = 'lib/client/client.ts';
const NAME = '@cloudflow/client';

/** Writes the package into `folder`, which is made anew. Throws with what the compiler says. */
export async function buildClient(root: string, folder: string): Promise<void> {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  await build({
    absWorkingDir: root,
    entryPoints: [ENTRY],
    outfile: join(folder, 'index.js'),
    bundle: true,
    format: 'esm',
    platform: 'neutral',
    target: 'es2024',
    external: ['typebox'],
    logLevel: 'silent',
  });
  declare(root, join(folder, 'types'));
  const { version, dependencies, license } = JSON.parse(
    readFileSync(join(root, 'package.json'), 'utf8'),
  ) as { version: string; license?: string; dependencies: Record<string, string> };
  const manifest = {
    name: NAME,
    version,
    description: 'calls the API of CloudFlow, typed by its contract',
    ...(license === undefined ? {} : { license }),
    type: 'module',
    exports: {
      '.': { types: `./types/${ENTRY.replace(/\.ts$/, '.d.ts')}`, default: './index.js' },
    },
    files: ['index.js', 'types'],
    engines: { node: '>=22' },
    dependencies: { typebox: dependencies['typebox'] },
  };
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
}

function declare(root: string, folder: string): void {
  const tsc = join(root, 'node_modules/typescript/bin/tsc');
  const options = [
    ...['--ignoreConfig', '--declaration', '--emitDeclarationOnly', '--allowImportingTsExtensions'],
    ...[
      '--module',
      'nodenext',
      '--target',
      'es2024',
      '--types',
      'node',
      '--strict',
      '--skipLibCheck',
    ],
    ...['--rootDir', root, '--outDir', folder],
  ];
  const { status, stdout } = spawnSync(process.execPath, [tsc, ENTRY, ...options], {
    cwd: root,
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`the client's declarations: ${stdout}`);
  // Names of rooms mean something in this repository alone, and what is emitted has another ending.
  for (const name of globSync('**/*.d.ts', { cwd: folder })) {
    const file = join(folder, name);
    const here = dirname(file);
    const text = readFileSync(file, 'utf8').replaceAll(
      /(from |import\()(['"])([.#][^'"]+)\.ts\2/g,
      (_, before: string, quote: string, path: string) => {
        const of = path.startsWith('#') ? relative(here, join(folder, 'lib', path.slice(1))) : path;
        return `${before}${quote}${of.startsWith('.') ? of : `./${of}`}.js${quote}`;
      },
    );
    writeFileSync(file, text);
  }
}
