import { cp, mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type BuildOptions, build, type Metafile, type Plugin } from 'esbuild';
import { FUNCTIONS, PROGRAMS, type ProgramName, programNames } from '#config/functions.ts';

/** What the build made of one program. */
export interface Bundle {
  readonly name: ProgramName;
  /** Of `index.mjs`. */
  readonly bytes: number;
  readonly maxBytes: number;
  /** Source files with a byte in `index.mjs`, from the root of the repository. */
  readonly inputs: readonly string[];
}

export const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const EVALUATOR = 'lib/evaluator/child.ts';
const CACHE = 'functions/shared/cache-client.ts';
const KAFKA = 'functions/shared/kafka-client.ts';
const LAMBDA_CREDENTIALS = join(ROOT, 'functions/shared/lambda-credentials.ts');
const SAML_LEFT_OUT = join(ROOT, 'lib/adapters/saml/left-out.ts');
const MIGRATIONS = 'lib/adapters/postgres/migrations';

/** Clients of AWS load it when an operation answers with a stream of events, and none that we call does. */
const NO_EVENT_STREAMS: Plugin = {
  name: 'no-event-streams',
  setup(made) {
    made.onResolve({ filter: /^@smithy\/core\/event-streams$/ }, ({ path, kind }) =>
      kind === 'dynamic-import' ? { path, external: true } : null,
    );
  },
};

/** One way for all, so that the same sources are the same bytes. */
const OPTIONS = {
  absWorkingDir: ROOT,
  bundle: true,
  format: 'esm',
  platform: 'node',
  target: 'node24',
  outExtension: { '.js': '.mjs' },
  mainFields: ['module', 'main'],
  minify: true,
  sourcemap: 'linked',
  sourcesContent: false,
  legalComments: 'none',
  logLevel: 'warning',
  metafile: true,
  charset: 'utf8',
  define: { CLOUDFLOW_BUNDLED: 'true' },
  plugins: [NO_EVENT_STREAMS],
  alias: {
    // Compression for Kafka: with its WebAssembly in the text, not in a file that a bundle has not.
    '@platformatic/wasm-utils': '@platformatic/wasm-utils/bundled',
    xmlbuilder: SAML_LEFT_OUT,
    'xml-encryption': SAML_LEFT_OUT,
  },
  // Some packages are CommonJS and ask for Node's built-ins by `require`.
  banner: {
    js: "import{createRequire as __cr}from'node:module';const require=__cr(import.meta.url);",
  },
  // Optional in `pg`: its native driver, sockets of another platform, and passwords in a file of a home
  // folder, which is deprecated, and would be looked for by whoever was given no password.
  external: ['pg-native', './native', 'cloudflare:sockets', 'pgpass'],
} as const satisfies BuildOptions;

/**
 * Bundles programs of the registry into `out/<name>/index.mjs`, with what must lie beside them.
 * What was in `out` before is gone.
 */
export async function buildPrograms(
  out: string,
  names: readonly ProgramName[] = programNames,
): Promise<readonly Bundle[]> {
  await rm(out, { recursive: true, force: true });
  await mkdir(out, { recursive: true });
  const functions = names.filter((name) => name in FUNCTIONS);
  const metafiles = [
    await bundle(out, functions, { '@aws-sdk/credential-provider-node': LAMBDA_CREDENTIALS }),
    await bundle(
      out,
      names.filter((name) => !functions.includes(name)),
      {},
    ),
  ];
  for (const name of names) {
    if (has(name, 'migrations')) {
      await cp(join(ROOT, MIGRATIONS), join(out, name, 'migrations'), { recursive: true });
    }
  }
  const outputs = Object.assign({}, ...metafiles.map((metafile) => metafile.outputs));
  const bundles = names.map((name) => bundleOf(name, outputs));
  await writeFile(join(out, 'bundles.json'), `${JSON.stringify(bundles, null, 2)}\n`);
  return bundles;
}

async function bundle(
  outdir: string,
  names: readonly ProgramName[],
  alias: Record<string, string>,
): Promise<Metafile> {
  const { metafile } = await build({
    ...OPTIONS,
    outdir,
    alias: { ...OPTIONS.alias, ...alias },
    entryPoints: [
      ...names.map((name) => ({ in: PROGRAMS[name].entry, out: `${name}/index` })),
      ...names.flatMap((name) => [
        ...(has(name, 'evaluator') ? [{ in: EVALUATOR, out: `${name}/evaluator` }] : []),
        ...(has(name, 'cache') ? [{ in: CACHE, out: `${name}/cache-client` }] : []),
        ...(has(name, 'kafka') ? [{ in: KAFKA, out: `${name}/kafka-client` }] : []),
      ]),
    ],
  });
  return metafile;
}

function has(name: ProgramName, what: 'evaluator' | 'migrations' | 'cache' | 'kafka'): boolean {
  return (PROGRAMS[name].beside as readonly string[]).includes(what);
}

function bundleOf(name: ProgramName, outputs: Metafile['outputs']): Bundle {
  const output = Object.entries(outputs).find(([path]) => path.endsWith(`/${name}/index.mjs`))?.[1];
  if (output === undefined) throw new Error(`the build made no bundle of ${name}`);
  const inputs = Object.entries(output.inputs)
    .filter(([, { bytesInOutput }]) => bytesInOutput > 0)
    .map(([path]) => path)
    .sort();
  return { name, bytes: output.bytes, maxBytes: PROGRAMS[name].maxBundleBytes, inputs };
}
