import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { buildClient } from '../../bin/build/client.ts';

/** The client as somebody else has it: installed in a project that knows nothing of this one. */
const ROOT = fileURLToPath(new URL('../../', import.meta.url));
let project = '';

beforeAll(async () => {
  project = mkdtempSync(join(tmpdir(), 'cloudflow-consumer-'));
  const modules = join(project, 'node_modules');
  mkdirSync(join(modules, '@cloudflow'), { recursive: true });
  await buildClient(ROOT, join(modules, '@cloudflow', 'client'));
  for (const name of ['typebox', '@types', 'undici-types']) {
    symlinkSync(join(ROOT, 'node_modules', name), join(modules, name));
  }
  writeFileSync(join(project, 'package.json'), '{"type": "module"}');
});
afterAll(() => rmSync(project, { recursive: true, force: true }));

it('has declarations by which a mistake does not compile', () => {
  writeFileSync(
    join(project, 'uses.ts'),
    `import { createClient } from '@cloudflow/client';
const client = createClient({ baseUrl: 'https://api.example', credential: 'key' });
export const status: string = (await client.getExecution({ execution_id: 'x' })).status;
// @ts-expect-error: an execution has no such member
export const wrong: string = (await client.getExecution({ execution_id: 'x' })).colour;
// @ts-expect-error: a path parameter is missing
await client.getExecution({});
// @ts-expect-error: there is no such operation
await client.doEverything();
`,
  );
  const options = ['--noEmit', '--strict', '--module', 'nodenext', '--target', 'es2024'];
  const tsc = spawnSync(
    process.execPath,
    [join(ROOT, 'node_modules/typescript/bin/tsc'), 'uses.ts', ...options, '--types', 'node'],
    { cwd: project, encoding: 'utf8' },
  );
  expect(tsc.stdout).toBe('');
  expect(tsc.status).toBe(0);
});

it('calls the API, and needs typebox alone', async () => {
  const server = createServer((_, answer) => {
    answer.setHeader('content-type', 'application/json');
    answer.end('{"status":"ok"}');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    const baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const source = `import { createClient } from '@cloudflow/client';
      console.log(JSON.stringify(await createClient({ baseUrl: '${baseUrl}' }).getHealth()));`;
    writeFileSync(join(project, 'calls.js'), source);
    const said = await new Promise<string>((resolve, reject) => {
      const child = spawn(process.execPath, ['calls.js'], { cwd: project });
      let text = '';
      child.stdout.on('data', (bytes) => {
        text += String(bytes);
      });
      child.stderr.on('data', (bytes) => {
        text += String(bytes);
      });
      child.on('error', reject);
      child.on('close', () => resolve(text));
    });
    expect(said).toBe('{"status":"ok"}\n');
  } finally {
    server.close();
  }
  const manifest = readFileSync(
    join(project, 'node_modules/@cloudflow/client/package.json'),
    'utf8',
  );
  expect(Object.keys((JSON.parse(manifest) as { dependencies: object }).dependencies)).toEqual([
    'typebox',
  ]);
});
