import type { Stage } from 'aws-cdk-lib/aws-apigateway';
import { CfnWebACL, CfnWebACLAssociation } from 'aws-cdk-lib/aws-wafv2';
import { Construct } from 'constructs';
import { ADDRESS_SECONDS, requestRates } from '#config/request-rates.ts';
import type { StageSettings } from '#config/stage-settings.ts';

/** The firewall before a public API: addresses that flood, addresses of ill repute, known bad input. */
export class Firewall extends Construct {
  constructor(scope: Construct, id: string, settings: StageSettings) {
    super(scope, id);
    const { stage } = settings;
    const visible = (name: string): CfnWebACL.VisibilityConfigProperty => ({
      cloudWatchMetricsEnabled: true,
      metricName: `cloudflow-${stage}-${name}`,
      sampledRequestsEnabled: true,
    });
    const managed = (priority: number, name: string): CfnWebACL.RuleProperty => ({
      name,
      priority,
      overrideAction: { none: {} },
      statement: { managedRuleGroupStatement: { vendorName: 'AWS', name } },
      visibilityConfig: visible(name),
    });
    this.acl = new CfnWebACL(this, 'Rules', {
      name: `cloudflow-${stage}`,
      scope: 'REGIONAL',
      defaultAction: { allow: {} },
      visibilityConfig: visible('firewall'),
      rules: [
        {
          name: 'OneAddress',
          priority: 0,
          action: { block: { customResponse: { responseCode: 429 } } },
          statement: {
            rateBasedStatement: {
              aggregateKeyType: 'IP',
              limit: requestRates(settings).perAddress,
              evaluationWindowSec: ADDRESS_SECONDS,
            },
          },
          visibilityConfig: visible('one-address'),
        },
        managed(1, 'AWSManagedRulesAmazonIpReputationList'),
        managed(2, 'AWSManagedRulesKnownBadInputsRuleSet'),
      ],
    });
  }

  private readonly acl: CfnWebACL;

  /** Every request to that stage of an API passes it first. */
  before(stage: Stage): void {
    new CfnWebACLAssociation(this, 'OfApi', {
      resourceArn: stage.stageArn,
      webAclArn: this.acl.attrArn,
    });
  }
}
