/**
 * The bundles of an infra run: built once, into a folder outside the repository, so that a bundle
 * which needs anything that is not in it does not start. Those of functions are packed and unpacked
 * again besides, as Lambda runs them.
 */
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { functionNames } from '#config/functions.ts';
import { type Bundle, buildPrograms } from '../../bin/build/bundle.ts';
import { buildLayers, LAMBDA_PLATFORM } from '../../bin/build/layers.ts';
import { packageOf, release, unpack } from './packages.ts';

declare module 'vitest' {
  interface ProvidedContext {
    readonly dist: string;
    readonly bundles: readonly Bundle[];
    /** A folder for each function: what was in its archive, not to be written to. */
    readonly unpacked: string;
  }
}

let folder: string | null = null;

export async function setup(project: TestProject): Promise<void> {
  folder = await mkdtemp(join(tmpdir(), 'cloudflow-dist-'));
  const dist = join(folder, 'dist');
  const unpacked = join(folder, 'unpacked');
  project.provide('bundles', await buildPrograms(dist));
  await buildLayers(join(dist, 'layers'), LAMBDA_PLATFORM);
  // Of the machine that tests run on, below where Lambda would have /opt.
  await buildLayers(join(unpacked, 'layers'), `${process.platform}-${process.arch}`);
  project.provide('dist', dist);
  for (const name of functionNames) unpack(packageOf(join(dist, name)), join(unpacked, name));
  project.provide('unpacked', unpacked);
}

export async function teardown(): Promise<void> {
  if (folder === null) return;
  for (const name of functionNames) {
    const unpacked = join(folder, 'unpacked', name);
    if (existsSync(unpacked)) release(unpacked);
  }
  await rm(folder, { recursive: true, force: true });
}
