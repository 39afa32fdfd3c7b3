import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, inject, it } from 'vitest';
import { functionNames, functionSpec } from '#config/functions.ts';
import { LAYERS, layerNames } from '#config/layers.ts';
import { filesIn } from '#test/support/packages.ts';
import { synthesise } from './synth.ts';

/** Of Amazon Linux 2023, which Lambda's Node 24 runs on. */
const GLIBC = [2, 34];
/** In the header of an ELF file: what it is for. */
const AARCH64 = 183;

const folderOf = (layer: string): string => join(inject('dist'), 'layers', layer);

describe('layers', () => {
  it('are somebody’s, and hold what they say below where Lambda looks', () => {
    const used = new Set(functionNames.flatMap((name) => functionSpec(name).layers ?? []));
    expect([...used].sort()).toEqual([...layerNames].sort());
    for (const layer of layerNames) {
      expect(readdirSync(folderOf(layer))).toEqual(['nodejs']);
      for (const name of LAYERS[layer].packages) {
        const text = readFileSync(
          join(folderOf(layer), 'nodejs/node_modules', name, 'package.json'),
          'utf8',
        );
        expect((JSON.parse(text) as { name: string }).name).toBe(name);
      }
    }
  });

  it('hold one binary each, for arm64, that needs no newer C library than Lambda has', () => {
    for (const layer of layerNames) {
      const binaries = filesIn(folderOf(layer)).filter((file) => file.endsWith('.node'));
      expect(binaries).toHaveLength(1);
      const bytes = readFileSync(join(folderOf(layer), binaries[0]!));
      expect(bytes.toString('latin1', 0, 4)).toBe('\u007fELF');
      expect(bytes.readUInt16LE(18)).toBe(AARCH64);
      const needed = [...bytes.toString('latin1').matchAll(/GLIBC_(\d+)\.(\d+)/g)]
        .map(([, major, minor]) => [Number(major), Number(minor)] as const)
        .sort(([a, b], [c, d]) => a - c || b - d)
        .at(-1);
      expect(needed).toBeDefined();
      expect(needed![0]).toBe(GLIBC[0]);
      expect(needed![1]).toBeLessThanOrEqual(GLIBC[1]!);
    }
  });

  it('are given to the functions that name them, and to no other', () => {
    const made = synthesise('dev', inject('dist'));
    const given = made
      .ofType('AWS::Lambda::Function')
      .filter(({ Properties }) => Properties['Layers'] !== undefined)
      .map(({ Properties }) => Properties['FunctionName']);
    const named = functionNames.filter((name) => (functionSpec(name).layers ?? []).length > 0);
    expect(given.sort()).toEqual(named.map((name) => `cloudflow-dev-${name}`).sort());
    for (const { Properties } of made.ofType('AWS::Lambda::LayerVersion')) {
      expect(Properties['CompatibleArchitectures']).toEqual(['arm64']);
    }
  });
});
