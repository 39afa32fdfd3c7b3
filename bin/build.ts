import { join } from 'node:path';
import { buildPrograms, ROOT } from './build/bundle.ts';
import { buildClient } from './build/client.ts';
import { buildLayers, LAMBDA_PLATFORM } from './build/layers.ts';

// npm run build: every function and container of the registry, bundled once into dist/, every layer, and
// the client as a package that can be published.

const bundles = await buildPrograms(join(ROOT, 'dist'));
await buildLayers(join(ROOT, 'dist/layers'), LAMBDA_PLATFORM);
await buildClient(ROOT, join(ROOT, 'dist/client'));
for (const { name, bytes, maxBytes } of bundles) {
  const kilobytes = (count: number): string => `${Math.ceil(count / 1_000)} KB`.padStart(8);
  process.stdout.write(`${name.padEnd(24)}${kilobytes(bytes)} of ${kilobytes(maxBytes)}\n`);
}
const over = bundles.filter(({ bytes, maxBytes }) => bytes > maxBytes);
if (over.length > 0) {
  process.stderr.write(`over their budget: ${over.map(({ name }) => name).join(', ')}\n`);
  process.exitCode = 1;
}
