import { CfnOIDCProvider, Role, WebIdentityPrincipal } from 'aws-cdk-lib/aws-iam';
import {
  CfnCondition,
  CfnOutput,
  CfnParameter,
  DefaultStackSynthesizer,
  Duration,
  Fn,
} from 'aws-cdk-lib/core';
import type { Construct } from 'constructs';
import { regionsOf, type StageSettings } from '#config/stage-settings.ts';
import { allow } from '#constructs/grants.ts';
import { StageStack } from './stage-stack.ts';

/** Who signs what a run of the pipeline shows, and for whom. */
const ISSUER = 'token.actions.githubusercontent.com';
const AUDIENCE = 'sts.amazonaws.com';
/** As long as a job of the pipeline may take. */
const SESSION = Duration.hours(2);
/** What `cdk bootstrap` makes in every region, and `cdk` becomes: each does its part and no more. */
const BOOTSTRAP_ROLES = ['deploy', 'file-publishing', 'image-publishing', 'lookup'] as const;

/**
 * Who the pipeline is in the account of a stage: a role for runs of one repository in one environment of
 * GitHub, which are let in by that environment alone. No key of AWS is stored anywhere.
 *
 *  D1 It may become the roles of CDK in the regions of the stage and read quotas; nothing else. What is
 *     deployed is done by CloudFormation as a role that this one cannot become.
 *  D2 A person deploys it, once. The pipeline never sees this stack, so no run widens its own rights.
 */
export class DeliveryStack extends StageStack {
  /** `repository`: as GitHub writes it, `owner/name`. */
  constructor(scope: Construct, settings: StageSettings, repository: string) {
    super(scope, 'Delivery', settings, 'who the pipeline is');
    const { stage, account } = settings;

    const makes = new CfnParameter(this, 'MakeProvider', {
      allowedValues: ['yes', 'no'],
      default: 'yes',
      description:
        'no, where the account knows GitHub already: an account has one provider for all',
    });
    const provider = new CfnOIDCProvider(this, 'GitHub', {
      url: `https://${ISSUER}`,
      clientIdList: [AUDIENCE],
    });
    provider.cfnOptions.condition = new CfnCondition(this, 'Makes', {
      expression: Fn.conditionEquals(makes, 'yes'),
    });

    const role = new Role(this, 'Deploy', {
      roleName: `cloudflow-${stage}-deploy`,
      description: `the pipeline, in the environment ${stage} of ${repository}`,
      maxSessionDuration: SESSION,
      assumedBy: new WebIdentityPrincipal(`arn:aws:iam::${account}:oidc-provider/${ISSUER}`, {
        StringEquals: {
          [`${ISSUER}:aud`]: AUDIENCE,
          [`${ISSUER}:sub`]: `repo:${repository}:environment:${stage}`,
        },
      }),
    });
    allow(role, {
      sid: 'BecomeRolesOfCdk',
      actions: ['sts:AssumeRole'],
      resources: regionsOf(settings).flatMap((region) =>
        BOOTSTRAP_ROLES.map(
          (name) =>
            `arn:aws:iam::${account}:role/cdk-${DefaultStackSynthesizer.DEFAULT_QUALIFIER}-${name}-role-${account}-${region}`,
        ),
      ),
    });
    allow(role, {
      sid: 'ReadQuotas',
      actions: ['servicequotas:ListServiceQuotas', 'servicequotas:ListAWSDefaultServiceQuotas'],
      resources: ['*'],
      star: 'lists of quotas know no resource that these actions could be narrowed to',
    });
    new CfnOutput(this, 'DeployRoleArn', {
      value: role.roleArn,
      description: `CLOUDFLOW_DEPLOY_ROLE of the environment ${stage}`,
    });
  }
}
