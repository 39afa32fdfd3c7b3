import { cp, mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { LAYERS, layerNames } from '#config/layers.ts';
import { ROOT } from './bundle.ts';

/** Platform and architecture as packages with binaries of all of them name their folders. */
export type Platform = `${string}-${string}`;
/** What Lambda runs our functions on. */
export const LAMBDA_PLATFORM: Platform = 'linux-arm64';

/**
 * Every layer into `out/<name>`, as Lambda unpacks it below /opt. Made of what is installed, for these
 * packages bring the binaries of every platform: no network and no Docker.
 */
export async function buildLayers(out: string, platform: Platform): Promise<void> {
  for (const layer of layerNames) {
    for (const name of LAYERS[layer].packages) {
      const from = join(ROOT, 'node_modules', name);
      const to = join(out, layer, 'nodejs/node_modules', name);
      await mkdir(to, { recursive: true });
      for (const file of await readdir(from)) {
        // Programs and what describes them and their terms; no sources of the binary, no types.
        if (/^(?:package\.json|licen[cs]e(?:\.md)?|[\w-]+\.c?js)$/i.test(file)) {
          await cp(join(from, file), join(to, file));
        }
      }
      const binaries = join(from, 'prebuilds', platform);
      for (const file of await readdir(binaries).catch(() => [])) {
        if (file.includes('musl')) continue;
        await cp(join(binaries, file), join(to, 'prebuilds', platform, file));
      }
    }
  }
}
