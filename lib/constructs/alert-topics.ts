import { PolicyStatement, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { Key } from 'aws-cdk-lib/aws-kms';
import { CfnSubscription, type ITopic, Topic } from 'aws-cdk-lib/aws-sns';
import { RemovalPolicy, SecretValue } from 'aws-cdk-lib/core';
import type { Construct } from 'constructs';
import { PRIORITIES, type Priority } from '#config/alarms/alarm.ts';
import type { StageSettings } from '#config/stage-settings.ts';

export type AlertTopics = { readonly [P in Priority]: ITopic };

const topicName = (stage: string, priority: Priority): string =>
  `cloudflow-${stage}-${priority.toLowerCase()}`;

/** Those of the region that waited: whoever is told of its alarms is told of the rest as well. */
export function adoptAlertTopics(
  scope: Construct,
  { stage, region, account }: StageSettings,
): AlertTopics {
  const adopt = (priority: Priority): ITopic =>
    Topic.fromTopicArn(
      scope,
      `${priority}Topic`,
      `arn:aws:sns:${region}:${account}:${topicName(stage, priority)}`,
    );
  return { P1: adopt('P1'), P2: adopt('P2'), P3: adopt('P3') };
}

/**
 * Where alarms and notices of one region are heard: a topic for each priority, so that each may lead to
 * other people, and the way to PagerDuty. Every region has its own, for none may need another to wake anybody.
 */
export function makeAlertTopics(scope: Construct, settings: StageSettings): AlertTopics {
  const { stage, retain, account, region, alerts } = settings;
  const cloudwatch = new ServicePrincipal('cloudwatch.amazonaws.com').withConditions({
    StringEquals: { 'aws:SourceAccount': account },
    ArnLike: { 'aws:SourceArn': `arn:aws:cloudwatch:${region}:${account}:alarm:*` },
  });
  const key = new Key(scope, 'AlertKey', {
    alias: `cloudflow/${stage}/alerts`,
    description: `CloudFlow ${stage}: what alarms say`,
    enableKeyRotation: true,
    removalPolicy: retain ? RemovalPolicy.RETAIN : RemovalPolicy.DESTROY,
  });
  for (const [sid, principal] of [
    ['Alarms', cloudwatch],
    ['Notices', new ServicePrincipal('events.amazonaws.com')],
  ] as const) {
    key.addToResourcePolicy(
      new PolicyStatement({
        sid,
        principals: [principal],
        actions: ['kms:Decrypt', 'kms:GenerateDataKey'],
        resources: ['*'],
      }),
    );
  }
  const make = (priority: Priority): Topic => {
    const topic = new Topic(scope, `${priority}Topic`, {
      topicName: topicName(stage, priority),
      displayName: `CloudFlow ${stage} ${priority}: ${PRIORITIES[priority].about}`,
      masterKey: key,
      enforceSSL: true,
    });
    topic.addToResourcePolicy(
      new PolicyStatement({
        sid: 'Alarms',
        principals: [cloudwatch],
        actions: ['sns:Publish'],
        resources: [topic.topicArn],
      }),
    );
    if (alerts.pagerDutySecret !== null) {
      new CfnSubscription(scope, `${priority}PagerDuty`, {
        topicArn: topic.topicArn,
        protocol: 'https',
        // The address holds the key of the service, so no template does. It is read in this region.
        endpoint: SecretValue.secretsManager(alerts.pagerDutySecret, {
          jsonField: priority,
        }).unsafeUnwrap(),
      });
    }
    return topic;
  };
  return { P1: make('P1'), P2: make('P2'), P3: make('P3') };
}
