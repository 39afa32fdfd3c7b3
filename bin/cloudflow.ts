import { fileURLToPath } from 'node:url';
import { App, Validations } from 'aws-cdk-lib/core';
import { AwsSolutionsChecks } from 'cdk-nag';
import { programNames } from '#config/functions.ts';
import { readStageSettings, type StageSettings } from '#config/stage-settings.ts';
import { bundleFolder } from '#constructs/service-function.ts';
import { buildPlatform } from '#stacks/platform.ts';

// The CDK app: one stage, as `-c stage=` names it. A finding of the checks that nobody accepted with a
// reason fails the synth.

const dist = fileURLToPath(new URL('../dist', import.meta.url));
const app = new App();

/** Null after saying in a sentence what to change. */
function readRequest(): StageSettings | null {
  try {
    const settings = readStageSettings(
      {
        stage: app.node.tryGetContext('stage') as unknown,
        account: app.node.tryGetContext('account') as unknown,
      },
      process.env,
    );
    for (const name of programNames) bundleFolder(dist, name);
    return settings;
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    process.stderr.write(`${error.message}\n`);
    return null;
  }
}

const settings = readRequest();
if (settings === null) {
  process.exitCode = 1;
} else {
  Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
  buildPlatform(app, settings, dist);
  app.synth();
}
