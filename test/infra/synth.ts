import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { App, Validations } from 'aws-cdk-lib/core';
import { AwsSolutionsChecks } from 'cdk-nag';
import { type PLACES, readStageSettings, type StageSettings } from '#config/stage-settings.ts';
import type { Stage } from '#config/stages.ts';
import { buildPlatform } from '#stacks/platform.ts';
import { ROOT } from '../../bin/build/bundle.ts';

export interface Resource {
  readonly Type: string;
  readonly Properties: { readonly [key: string]: unknown };
  readonly DeletionPolicy?: string;
  readonly DependsOn?: readonly string[];
}

/** What one stage deploys, as CloudFormation gets it. */
export interface Synthesised {
  readonly settings: StageSettings;
  /** Of all stacks; keys are `Stack/LogicalId`. */
  readonly resources: ReadonlyMap<string, Resource>;
  /** What stacks tell others; keys are `Stack/OutputName`. */
  readonly outputs: ReadonlyMap<string, unknown>;
  /** Stacks that stand before a stack is deployed, by its name. */
  readonly before: ReadonlyMap<string, readonly string[]>;
  /** Findings of every check that ran, by rule. */
  readonly findings: readonly string[];
  /** What the account would have to be asked. */
  readonly missing: readonly unknown[];
  /** What was accepted though no check finds it. */
  readonly idle: readonly string[];
  /** Files that the engine's image is built from. */
  readonly image: readonly string[];
  ofType(type: string): readonly Resource[];
}

/** Context of cdk.json: flags change what constructs make. */
export function cdkContext(): Record<string, unknown> {
  return (
    JSON.parse(readFileSync(join(ROOT, 'cdk.json'), 'utf8')) as { context: Record<string, unknown> }
  ).context;
}

interface Report {
  readonly pluginReports: readonly {
    readonly pluginName: string;
    readonly violations: readonly {
      readonly ruleName: string;
      readonly violatingConstructs: readonly { readonly constructPath?: string }[];
    }[];
  }[];
}

interface Template {
  readonly Resources: Readonly<Record<string, Resource>>;
  readonly Outputs?: Readonly<Record<string, { readonly Value: unknown }>>;
}

/** Runs an app through every check of a synth, and answers what they found. */
export function findingsOf(make: (app: App) => void): {
  readonly findings: readonly string[];
  readonly templates: ReadonlyMap<string, Template>;
  readonly before: ReadonlyMap<string, readonly string[]>;
  readonly missing: readonly unknown[];
  readonly idle: readonly string[];
  readonly image: readonly string[];
} {
  const outdir = mkdtempSync(join(tmpdir(), 'cloudflow-cdk-'));
  const { exitCode } = process;
  const write = process.stderr.write;
  try {
    const app = new App({ outdir, context: cdkContext(), analyticsReporting: false });
    Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
    make(app);
    // What is found is answered, not shown: the synth writes it to stderr besides.
    process.stderr.write = () => true;
    let failure: unknown = null;
    try {
      app.synth();
    } catch (error) {
      failure = error;
    }
    // What fails before the checks have run is no finding of theirs.
    if (failure !== null && !existsSync(join(outdir, 'validation-report.json'))) throw failure;
    const read = <T>(file: string): T => JSON.parse(readFileSync(join(outdir, file), 'utf8')) as T;
    const findings = read<Report>('validation-report.json').pluginReports.flatMap((report) =>
      report.violations.flatMap(({ ruleName, violatingConstructs }) =>
        violatingConstructs.map(({ constructPath }) => `${ruleName} at ${constructPath}`),
      ),
    );
    if (failure !== null && findings.length === 0) throw failure;
    const image = join(outdir, 'engine-image');
    const manifest = read<{
      readonly artifacts: Record<
        string,
        { type: string; properties: { templateFile: string }; dependencies?: readonly string[] }
      >;
      readonly missing?: readonly unknown[];
    }>('manifest.json');
    const templates = new Map(
      Object.entries(manifest.artifacts)
        .filter(([, { type }]) => type === 'aws:cloudformation:stack')
        .map(([name, { properties }]) => [name, read(properties.templateFile)]),
    );
    return {
      findings,
      templates: templates as never,
      before: new Map(
        Object.entries(manifest.artifacts).map(([name, { dependencies = [] }]) => [
          name,
          dependencies,
        ]),
      ),
      missing: manifest.missing ?? [],
      idle: idleIn(app),
      image: existsSync(image) ? readdirSync(image).sort() : [],
    };
  } finally {
    process.stderr.write = write;
    process.exitCode = exitCode;
    rmSync(outdir, { recursive: true, force: true });
  }
}

/** Acknowledgements of cdk-nag's rules under which it finds nothing: they would hide what comes later. */
function idleIn(app: App): readonly string[] {
  const checks = new AwsSolutionsChecks(app);
  Object.assign(checks, { isAcknowledged: () => false });
  const found = checks
    .validateScope(app)
    .violations.flatMap(({ ruleName, violatingResources }) =>
      violatingResources.map(({ constructPath }) => ({ ruleName, path: constructPath ?? '' })),
    );
  return app.node.findAll().flatMap(({ node }) =>
    node.metadata
      .filter(({ type }) => type === Validations.ACKNOWLEDGED_RULES_METADATA_KEY)
      .flatMap(({ data }) => Object.keys(data as object))
      .map((id) => id.replace(/^annotation::/i, ''))
      .filter((id) => id.startsWith('AwsSolutions-'))
      .filter(
        (id) =>
          !found.some(({ ruleName, path }) => ruleName === id && path.startsWith(`${node.path}/`)),
      )
      .map((id) => `${id} at ${node.path}`),
  );
}

export function synthesise(
  stage: Stage,
  dist: string,
  region: (typeof PLACES)[number] = 'home',
): Synthesised {
  const settings = readStageSettings({ stage, account: undefined, region }, {});
  return synthesiseParts(settings, (app) => {
    buildPlatform(app, settings, dist);
  });
}

/** What `make` puts into an app, for tests of a part of the platform. */
export function synthesiseParts(settings: StageSettings, make: (app: App) => void): Synthesised {
  const { findings, templates, before, missing, idle, image } = findingsOf(make);
  const resources = new Map(
    [...templates].flatMap(([stack, { Resources }]) =>
      Object.entries(Resources).map(([id, resource]) => [`${stack}/${id}`, resource] as const),
    ),
  );
  const outputs = new Map(
    [...templates].flatMap(([stack, { Outputs = {} }]) =>
      Object.entries(Outputs).map(([name, { Value }]) => [`${stack}/${name}`, Value] as const),
    ),
  );
  return withResources(
    { settings, resources, outputs, before, findings, missing, idle, image },
    resources,
  );
}

/** The same stage with other resources: what a template would be if something of it were gone. */
export function withResources(
  made: Omit<Synthesised, 'ofType'>,
  resources: ReadonlyMap<string, Resource>,
): Synthesised {
  return {
    ...made,
    resources,
    ofType: (type) => [...resources.values()].filter(({ Type }) => Type === type),
  };
}
