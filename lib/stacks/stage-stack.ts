import { Stack } from 'aws-cdk-lib/core';
import type { Construct } from 'constructs';
import type { StageSettings } from '#config/stage-settings.ts';

/** A stack of one stage: its name, its account, and zones that are written down, not looked up. */
export class StageStack extends Stack {
  readonly settings: StageSettings;

  constructor(scope: Construct, area: string, settings: StageSettings, description: string) {
    super(scope, area, {
      stackName: `cloudflow-${settings.stage}-${area.toLowerCase()}`,
      description: `CloudFlow ${settings.stage}: ${description}`,
      env: { account: settings.account, region: settings.region },
      terminationProtection: settings.retain,
      tags: { 'cloudflow:stage': settings.stage, 'cloudflow:area': area.toLowerCase() },
    });
    this.settings = settings;
  }

  /** Asking the account for its zones would need credentials at synth. */
  override get availabilityZones(): string[] {
    return [...this.settings.zones];
  }
}
