/**
 * Who may import whom: the one home of the walls. `biome.json` carries the same as lint rules (so an
 * editor shows a breach at once) and test/architecture.test.ts proves that the two agree and that no
 * file breaches them.
 */
export const ROOMS = {
  core: {
    folder: 'lib/core',
    rooms: [],
    packages: ['typebox', 'ajv', 'ajv-formats', 'jsonata', 're2js', '@dagrejs/dagre'],
  },
  contract: {
    folder: 'lib/contract',
    rooms: ['core'],
    packages: ['typebox', 'ajv', 'ajv-formats'],
  },
  ports: { folder: 'lib/ports', rooms: ['core'], packages: ['typebox'] },
  config: { folder: 'lib/config', rooms: [], packages: [] },
  steps: {
    folder: 'lib/steps',
    rooms: ['core', 'contract', 'ports', 'config'],
    packages: ['lru-cache'],
  },
  services: {
    folder: 'lib/services',
    rooms: ['core', 'contract', 'ports', 'config'],
    packages: [
      'lru-cache',
      'typebox',
      'ajv',
      'ajv-formats',
      're2js',
      'jose',
      'otpauth',
      'fxa-common-password-list',
    ],
  },
  adapters: { folder: 'lib/adapters', rooms: ['core', 'ports', 'config'], packages: 'any' },
  engine: {
    folder: 'lib/engine',
    rooms: ['core', 'ports', 'steps', 'config'],
    packages: ['lru-cache'],
  },
  evaluator: {
    folder: 'lib/evaluator',
    rooms: ['core', 'ports', 'config'],
    packages: ['lru-cache'],
  },
  client: { folder: 'lib/client', rooms: ['contract', 'core'], packages: [] },
  local: {
    folder: 'lib/local',
    rooms: [
      'core',
      'contract',
      'ports',
      'config',
      'steps',
      'services',
      'adapters',
      'engine',
      'evaluator',
      'client',
      'functions',
      'statemachines',
    ],
    packages: 'any',
  },
  functions: {
    folder: 'functions',
    rooms: [
      'core',
      'contract',
      'ports',
      'config',
      'steps',
      'services',
      'adapters',
      'engine',
      'evaluator',
      'client',
      'statemachines',
    ],
    packages: 'any',
  },
  constructs: {
    folder: 'lib/constructs',
    rooms: ['config', 'core', 'contract', 'statemachines'],
    packages: ['aws-cdk-lib', 'constructs'],
  },
  stacks: {
    folder: 'lib/stacks',
    rooms: ['config', 'core', 'contract', 'constructs'],
    packages: ['aws-cdk-lib', 'constructs'],
  },
} as const satisfies Record<
  string,
  { folder: string; rooms: readonly string[]; packages: readonly string[] | 'any' }
>;

export type Room = keyof typeof ROOMS;

/** Rooms that a file may name in an import but that have no walls of their own. */
export const OPEN_ROOMS = ['statemachines', 'test'] as const;

/** What a room must not import, as patterns of package imports. */
export function forbiddenImports(room: Room): string[] {
  const allowed: readonly string[] = [room, ...ROOMS[room].rooms];
  return [...Object.keys(ROOMS), ...OPEN_ROOMS]
    .filter((other) => !allowed.includes(other))
    .map((other) => `#${other}/**`);
}
