/**
 * The files of Apache Kafka: brought by Maven once for a machine, into the folder for caches, and held
 * against their checksums at each use. Where Maven or its registry is missing there are none.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

const SUMS = readFileSync(new URL('./jars.sha256', import.meta.url), 'utf8');
const POM = new URL('./pom.xml', import.meta.url);
const PLUGIN = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies';
const FETCH_MS = 300_000;

/** The folder with the files, or why there is none. */
export type Jars = { readonly folder: string } | { readonly missing: string };

export function kafkaJars(): Jars {
  const cache = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'cloudflow');
  const digest = createHash('sha256').update(SUMS).digest('hex').slice(0, 16);
  const folder = join(cache, `kafka-${digest}`);
  if (existsSync(folder)) return checked(folder);
  mkdirSync(cache, { recursive: true });
  const making = mkdtempSync(join(cache, 'kafka-making-'));
  try {
    cpSync(POM, join(making, 'pom.xml'));
    const lib = join(making, 'lib');
    const { status, stdout, error } = spawnSync(
      'mvn',
      ['-B', '-q', PLUGIN, '-DincludeScope=runtime', `-DoutputDirectory=${lib}`],
      { cwd: making, encoding: 'utf8', timeout: FETCH_MS },
    );
    if (error !== undefined) return { missing: `mvn in the PATH (${error.message})` };
    if (status !== 0) return { missing: `Maven's registry (${stdout.slice(-300)})` };
    const found = checked(lib);
    if ('missing' in found) return found;
    try {
      renameSync(lib, folder);
    } catch (cause) {
      // Another process was faster, and its files are the same.
      if (!existsSync(folder)) throw cause;
    }
    return { folder };
  } finally {
    rmSync(making, { recursive: true, force: true });
  }
}

function checked(folder: string): Jars {
  for (const line of SUMS.trimEnd().split('\n')) {
    const [sum = '', name = ''] = line.split(/\s+/);
    const file = join(folder, name);
    if (!existsSync(file)) return { missing: `${name} in ${folder}; delete the folder` };
    if (createHash('sha256').update(readFileSync(file)).digest('hex') !== sum) {
      return { missing: `a ${name} in ${folder} with its checksum; delete the folder` };
    }
  }
  return { folder };
}
