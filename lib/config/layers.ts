/** Layers of Lambda: what a bundler cannot inline, because it is native. */
export const LAYERS = {
  argon2: {
    about: 'hashes of passwords',
    /** What is loaded at run time; the first holds the binary. */
    packages: ['argon2', 'node-gyp-build', '@phc/format'],
  },
} as const satisfies Record<
  string,
  { readonly about: string; readonly packages: readonly string[] }
>;

export type LayerName = keyof typeof LAYERS;
export const layerNames = Object.keys(LAYERS) as LayerName[];
