/**
 * The bundles of an infra run: built once, into a folder outside the repository, so that a bundle
 * which needs anything that is not in it does not start.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { type Bundle, buildPrograms } from '../../bin/build/bundle.ts';

declare module 'vitest' {
  interface ProvidedContext {
    readonly dist: string;
    readonly bundles: readonly Bundle[];
  }
}

let dist: string | null = null;

export async function setup(project: TestProject): Promise<void> {
  dist = await mkdtemp(join(tmpdir(), 'cloudflow-dist-'));
  project.provide('bundles', await buildPrograms(dist));
  project.provide('dist', dist);
}

export async function teardown(): Promise<void> {
  if (dist !== null) await rm(dist, { recursive: true, force: true });
}
