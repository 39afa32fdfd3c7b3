import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { App, Validations } from 'aws-cdk-lib/core';
import { AwsSolutionsChecks } from 'cdk-nag';
import { programNames } from '#config/functions.ts';
import { problemOfContext, readRepository, refuseRepository } from '#config/stage-problems.ts';
import { readStageSettings, type StageSettings } from '#config/stage-settings.ts';
import { bundleFolder } from '#constructs/service-function.ts';
import { DeliveryStack } from '#stacks/delivery-stack.ts';
import { buildPlatform } from '#stacks/platform.ts';
import { synthDone } from './build/synth-done.ts';
import { synthFailure } from './build/synth-failure.ts';

// The CDK app: one stage, as `-c stage=` names it. A finding of the checks that nobody accepted with a
// reason fails the synth.

const root = fileURLToPath(new URL('..', import.meta.url));
const dist = fileURLToPath(new URL('../dist', import.meta.url));

/** Throws a TypeError of one sentence that says what to change. */
function readRequest(app: App): { settings: StageSettings; repository: string | null } {
  const strange = problemOfContext(Object.keys(app.node.getAllContext()));
  if (strange !== null) throw new TypeError(strange);
  const settings = readStageSettings(
    {
      stage: app.node.tryGetContext('stage') as unknown,
      account: app.node.tryGetContext('account') as unknown,
      region: app.node.tryGetContext('region') as unknown,
    },
    process.env,
  );
  const repository = refuseRepository(
    readRepository(app.node.tryGetContext('repository')),
    settings,
  );
  for (const name of programNames) bundleFolder(dist, name);
  return { settings, repository };
}

function synthesise(app: App, { settings, repository }: ReturnType<typeof readRequest>): void {
  Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
  buildPlatform(app, settings, dist);
  if (repository !== null) new DeliveryStack(app, settings, repository);
  const { stacks, directory } = app.synth();
  process.stdout.write(synthDone(settings, stacks.length, relative('.', directory)));
}

const app = new App();
let request: ReturnType<typeof readRequest> | null = null;
try {
  request = readRequest(app);
  synthesise(app, request);
} catch (error) {
  // Left alone, Node would print the line that threw, which in CDK is all of a minified file.
  const refused = request === null && error instanceof TypeError;
  process.stderr.write(refused ? `${error.message}\n` : synthFailure(error, root));
  process.exitCode = 1;
}
