import type { PlatformWorkflowName } from '#config/platform-workflows.ts';
import { checkDefinition } from '#core/plan/check.ts';
import type { Program } from '#core/plan/program.ts';
import databaseArchive from './database-archive.json' with { type: 'json' };
import regionFailover from './region-failover.json' with { type: 'json' };
import restoreTest from './restore-test.json' with { type: 'json' };
import secretInventory from './secret-inventory.json' with { type: 'json' };
import serviceReport from './service-report.json' with { type: 'json' };
import topicConfigurations from './topic-configurations.json' with { type: 'json' };

/** A workflow of the registry without a definition does not compile. */
const DEFINITIONS: { readonly [W in PlatformWorkflowName]: unknown } = {
  'restore-test': restoreTest,
  'region-failover': regionFailover,
  'database-archive': databaseArchive,
  'service-report': serviceReport,
  'secret-inventory': secretInventory,
  'topic-configurations': topicConfigurations,
};

/** Throws when a definition is wrong: then nothing is built and nothing is deployed. */
export function platformProgram(name: PlatformWorkflowName): Program {
  const checked = checkDefinition(DEFINITIONS[name], { author: 'platform' });
  if (checked.ok) return checked.program;
  const said = checked.problems.map(
    ({ code, pointer, message }) => `${code} ${pointer} ${message}`,
  );
  throw new TypeError(`statemachines/${name}.json: ${said.join('; ')}`);
}
