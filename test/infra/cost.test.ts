import { existsSync, globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { App } from 'aws-cdk-lib/core';
import { beforeAll, describe, expect, inject, it, vi } from 'vitest';
import { alarmsOf } from '#config/alarms/all.ts';
import { FUNCTIONS } from '#config/functions.ts';
import { readStageSettings } from '#config/stage-settings.ts';
import { STAGES, type Stage } from '#config/stages.ts';
import { checkWorkflow } from '#core/check-workflow.ts';
import { MONTH, PRICES, type PriceName } from '#core/cost/prices.ts';
import { EXAMPLE_PER_DAY, type RuntimeCosts, runtimeCosts } from '#core/cost/runtimes.ts';
import { LOADS } from '#stacks/costs/load.ts';
import { costOfStage, costTables, type StageTemplates } from '#stacks/costs/page.ts';
import { isPriced, linesOf, type TemplateResource, usdOf } from '#stacks/costs/resources.ts';
import { buildPlatform } from '#stacks/platform.ts';
import { ROOT } from '../../bin/build/bundle.ts';
import { cdkContext } from './synth.ts';

let made: readonly StageTemplates[];
beforeAll(() => {
  made = STAGES.map(templatesOf);
});

/** Templates alone: what the checks of a synth find is no business of costs, and takes most of its time. */
function templatesOf(stage: Stage): StageTemplates {
  const settings = readStageSettings({ stage, account: undefined }, {});
  const outdir = mkdtempSync(join(tmpdir(), 'cloudflow-cost-'));
  vi.stubEnv('CDK_VALIDATION', 'false');
  try {
    const app = new App({ outdir, context: cdkContext(), analyticsReporting: false });
    buildPlatform(app, settings, inject('dist'));
    const assembly = app.synth();
    const order = Object.keys(assembly.manifest.artifacts ?? {});
    const stacks = assembly.stacks
      .toSorted((left, right) => order.indexOf(left.id) - order.indexOf(right.id))
      .map(({ id, template }): [string, Record<string, TemplateResource>] => [
        id,
        (template as { Resources: Record<string, TemplateResource> }).Resources,
      ]);
    return { settings, stacks: new Map(stacks) };
  } finally {
    vi.unstubAllEnvs();
    rmSync(outdir, { recursive: true, force: true });
  }
}

const usdOfStack = (templates: StageTemplates, stack: string): number =>
  (costOfStage(templates).get(stack) ?? []).reduce((sum, line) => sum + usdOf(line), 0);

/** The examples of statemachines/, priced as `cloudflow plan` prices them. */
function examples(): ReadonlyMap<string, RuntimeCosts> {
  const prod = made.find(({ settings }) => settings.stage === 'prod');
  if (prod === undefined) throw new TypeError('no prod');
  const at = {
    perDay: EXAMPLE_PER_DAY,
    fleet: prod.settings.engine,
    runnerMb: FUNCTIONS['step-runner'].memoryMb,
  };
  const files = globSync('statemachines/examples/*.json', { cwd: ROOT }).sort();
  return new Map(
    files.map((file) => {
      const checked = checkWorkflow(JSON.parse(readFileSync(join(ROOT, file), 'utf8')));
      if (!checked.ok) throw new TypeError(`${file}: ${JSON.stringify(checked.problems)}`);
      const { report, program } = checked;
      return [program.workflowId, runtimeCosts(report, report.machine, at)];
    }),
  );
}

describe('what stages cost', () => {
  it('every type of resource has a price or is said to be free', () => {
    const types = made.flatMap(({ stacks }) =>
      [...stacks.values()].flatMap((resources) => Object.values(resources).map(({ Type }) => Type)),
    );
    expect([...new Set(types)].filter((type) => !isPriced(type))).toEqual([]);
  });

  it('a type that nobody has priced is refused by its name', () => {
    const settings = made[0]?.settings;
    if (settings === undefined) throw new TypeError('no stage');
    const around = { settings, load: LOADS.dev, find: () => undefined };
    expect(() => linesOf({ Type: 'AWS::Neptune::DBCluster' }, around)).toThrow(
      /AWS::Neptune::DBCluster has no price/,
    );
  });

  it('no quantity is less than nothing or no number, and every price is asked by some stage', () => {
    // Of brokers that a stage may have, and of functions that read topics.
    const asked = new Set<PriceName>([
      'msk.kafka.m7g.2xlarge',
      'msk.kafka.t3.small',
      'lambda.poller',
    ]);
    for (const templates of made) {
      for (const line of [...costOfStage(templates).values()].flat()) {
        expect(line.quantity, line.what).toBeGreaterThan(0);
        asked.add(line.price);
      }
    }
    expect(Object.keys(PRICES).filter((name) => !asked.has(name as PriceName))).toEqual([]);
  });

  it('a resource more is dollars more', () => {
    const dev = made.find(({ settings }) => settings.stage === 'dev');
    if (dev === undefined) throw new TypeError('no dev');
    const network = { ...dev.stacks.get('Network'), Another: { Type: 'AWS::EC2::NatGateway' } };
    const more = { ...dev, stacks: new Map([...dev.stacks, ['Network', network]]) };
    const added = usdOfStack(more, 'Network') - usdOfStack(dev, 'Network');
    expect(added).toBeCloseTo(MONTH.hours * PRICES['nat.hour'].usd, 6);
  });

  it('`auto` is Step Functions in every stage, for as many as are reckoned with, and twice that is told', () => {
    for (const { settings } of made) {
      const { executionsPerDay, stepFunctionsPerDay } = LOADS[settings.stage];
      expect(settings.preferredRuntime).toBe('step_functions');
      expect(stepFunctionsPerDay).toBeLessThan(executionsPerDay);
      const told = alarmsOf(settings).find(({ name }) => name === 'step-functions-volume');
      expect(told).toMatchObject({
        threshold: Math.ceil(stepFunctionsPerDay / 12),
        periodSeconds: 3_600,
        signal: {
          series: { name: 'ExecutionsStarted', dimensions: { Runtime: 'step_functions' } },
        },
      });
    }
    const prod = LOADS.prod;
    expect(prod.stepFunctionsPerDay / prod.executionsPerDay).toBe(0.02);
  });

  it('docs/cost.md says what is deployed', () => {
    const page = join(ROOT, 'docs/cost.md');
    const text = existsSync(page) ? readFileSync(page, 'utf8') : '';
    const mark = text.indexOf('<!-- written by lib/stacks/costs/page.ts');
    expect(mark).toBeGreaterThan(0);
    const end = text.indexOf('-->', mark) + '-->'.length;
    const wanted = `${text.slice(0, end)}\n\n${costTables(made, examples())}`;
    if (process.env['UPDATE_DOCS'] === '1') writeFileSync(page, wanted);
    else expect(text).toBe(wanted);
  });
});
