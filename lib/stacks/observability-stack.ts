import { PolicyStatement, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { Key } from 'aws-cdk-lib/aws-kms';
import { CfnQueryDefinition } from 'aws-cdk-lib/aws-logs';
import { CfnSubscription, Topic } from 'aws-cdk-lib/aws-sns';
import { RemovalPolicy, SecretValue } from 'aws-cdk-lib/core';
import type { Construct } from 'constructs';
import { PRIORITIES, type Priority } from '#config/alarms/alarm.ts';
import { alarmsOf } from '#config/alarms/all.ts';
import { bucketNameOf } from '#config/buckets.ts';
import { dashboardsOf } from '#config/dashboards.ts';
import { noticesOf } from '#config/notices.ts';
import { savedQueries } from '#config/saved-queries.ts';
import { SOCKETS_API } from '#config/signals.ts';
import type { StageSettings } from '#config/stage-settings.ts';
import { makeAlarms } from '#constructs/alarms.ts';
import { makeDashboard } from '#constructs/dashboards.ts';
import { Notices } from '#constructs/notices.ts';
import { ServiceFunction, type Surroundings } from '#constructs/service-function.ts';
import type { DataStack } from './data-stack.ts';
import type { IdentityStack } from './identity-stack.ts';
import type { RealtimeStack } from './realtime-stack.ts';
import { StageStack } from './stage-stack.ts';
import type { StoresStack } from './stores-stack.ts';

interface ObservabilityStackProps {
  readonly around: Surroundings;
  readonly data: DataStack;
  readonly identity: IdentityStack;
  readonly stores: StoresStack;
  readonly realtime: RealtimeStack;
}

/** What tells people how the platform does, and wakes them when it does badly. */
export class ObservabilityStack extends StageStack {
  constructor(scope: Construct, settings: StageSettings, props: ObservabilityStackProps) {
    super(scope, 'Observability', settings, 'alarms, dashboards and what they need');
    const { around, data, identity, stores, realtime } = props;
    const { stage } = settings;
    new ServiceFunction(this, 'Measure', {
      name: 'measure',
      around,
      environment: { STAGE: stage, DATABASE_URL: data.databaseUrl, DATABASE_AUTH: 'iam' },
      grants: data.grants,
    });
    new ServiceFunction(this, 'AuditSealer', {
      name: 'audit-sealer',
      around,
      environment: {
        STAGE: stage,
        DATABASE_URL: data.databaseUrl,
        DATABASE_AUTH: 'iam',
        SIGNING_SEAL_KEY: identity.signingKey.keyArn,
        AUDIT_BUCKET: bucketNameOf(settings, 'audit'),
      },
      grants: { ...data.grants, ...identity.grants, ...stores.grants },
    });
    const topics = this.topics();
    const ids = { [SOCKETS_API]: realtime.socketsId };
    makeAlarms(this, stage, alarmsOf(settings), topics, ids);
    new Notices(this, 'Notices', stage, noticesOf(settings), topics);
    for (const spec of dashboardsOf(settings)) makeDashboard(this, stage, spec, ids);
    for (const { name, query, groups } of savedQueries(stage)) {
      new CfnQueryDefinition(this, `Query-${name}`, {
        name: `cloudflow-${stage}/${name}`,
        queryString: query,
        logGroupNames: [...groups],
      });
    }
  }

  /** One for each priority, so that each may lead to other people. */
  private topics(): { readonly [P in Priority]: Topic } {
    const { stage, retain, account, region, alerts } = this.settings;
    const cloudwatch = new ServicePrincipal('cloudwatch.amazonaws.com').withConditions({
      StringEquals: { 'aws:SourceAccount': account },
      ArnLike: { 'aws:SourceArn': `arn:aws:cloudwatch:${region}:${account}:alarm:*` },
    });
    const key = new Key(this, 'AlertKey', {
      alias: `cloudflow/${stage}/alerts`,
      description: `CloudFlow ${stage}: what alarms say`,
      enableKeyRotation: true,
      removalPolicy: retain ? RemovalPolicy.RETAIN : RemovalPolicy.DESTROY,
    });
    key.addToResourcePolicy(
      new PolicyStatement({
        sid: 'Alarms',
        principals: [cloudwatch],
        actions: ['kms:Decrypt', 'kms:GenerateDataKey'],
        resources: ['*'],
      }),
    );
    key.addToResourcePolicy(
      new PolicyStatement({
        sid: 'Notices',
        principals: [new ServicePrincipal('events.amazonaws.com')],
        actions: ['kms:Decrypt', 'kms:GenerateDataKey'],
        resources: ['*'],
      }),
    );
    const make = (priority: Priority): Topic => {
      const topic = new Topic(this, `${priority}Topic`, {
        topicName: `cloudflow-${stage}-${priority.toLowerCase()}`,
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
        new CfnSubscription(this, `${priority}PagerDuty`, {
          topicArn: topic.topicArn,
          protocol: 'https',
          // The address holds the key of the service, so no template does.
          endpoint: SecretValue.secretsManager(alerts.pagerDutySecret, {
            jsonField: priority,
          }).unsafeUnwrap(),
        });
      }
      return topic;
    };
    return { P1: make('P1'), P2: make('P2'), P3: make('P3') };
  }
}
