import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { App, CfnResource } from 'aws-cdk-lib/core';
import { expect, inject, it } from 'vitest';
import { readStageSettings } from '#config/stage-settings.ts';
import { buildPlatform } from '#stacks/platform.ts';
import { cdkContext } from './synth.ts';

/** Logical id of the picture of the API that its stage shows, once `change` was done to a resource. */
function pictureOf(type: string, change: (resource: CfnResource) => void): string {
  const outdir = mkdtempSync(join(tmpdir(), 'cloudflow-routes-'));
  const { CDK_VALIDATION } = process.env;
  // What is changed here need not be right.
  process.env['CDK_VALIDATION'] = 'false';
  try {
    const app = new App({ outdir, context: cdkContext(), analyticsReporting: false });
    const settings = readStageSettings({ stage: 'dev', account: undefined }, {});
    buildPlatform(app, settings, inject('dist'));
    const found = app.node
      .findAll()
      .find((each) => each instanceof CfnResource && each.cfnResourceType === type);
    if (!(found instanceof CfnResource)) throw new TypeError(`there is no ${type}`);
    change(found);
    const { template } = app.synth().getStackByName('cloudflow-dev-routes');
    const { Resources } = template as {
      Resources: Record<string, { Type: string; Properties: Record<string, unknown> }>;
    };
    const [id] =
      Object.entries(Resources).find(([, { Type }]) => Type === 'AWS::ApiGateway::Deployment') ??
      [];
    const stage = Object.values(Resources).find(({ Type }) => Type === 'AWS::ApiGateway::Stage');
    expect(stage?.Properties['DeploymentId']).toEqual({ Ref: id });
    return id ?? '';
  } finally {
    if (CDK_VALIDATION === undefined) delete process.env['CDK_VALIDATION'];
    else process.env['CDK_VALIDATION'] = CDK_VALIDATION;
    rmSync(outdir, { recursive: true, force: true });
  }
}

it('whatever callers would see, in either stack, is shown by the stage as soon as it is deployed, and nothing else', () => {
  const untouched = pictureOf('AWS::ApiGateway::Method', () => undefined);
  const seen: readonly (readonly [string, string, unknown])[] = [
    ['AWS::ApiGateway::Method', 'AuthorizationType', 'AWS_IAM'],
    ['AWS::ApiGateway::Model', 'Schema', { type: 'array' }],
    ['AWS::ApiGateway::GatewayResponse', 'StatusCode', '418'],
    ['AWS::ApiGateway::Authorizer', 'AuthorizerResultTtlInSeconds', 1],
    ['AWS::ApiGateway::RequestValidator', 'ValidateRequestBody', false],
  ];
  const pictures = seen.map(([type, property, value]) =>
    pictureOf(type, (resource) => resource.addPropertyOverride(property, value)),
  );
  expect(new Set([untouched, ...pictures]).size).toBe(1 + seen.length);
  const other = pictureOf('AWS::Lambda::Function', (one) =>
    one.addPropertyOverride('MemorySize', 640),
  );
  expect(other).toBe(untouched);
}, 300_000);
