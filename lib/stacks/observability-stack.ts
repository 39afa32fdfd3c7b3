import { CfnQueryDefinition } from 'aws-cdk-lib/aws-logs';
import type { Construct } from 'constructs';
import { alarmsOf } from '#config/alarms/all.ts';
import { bucketNameOf } from '#config/buckets.ts';
import { dashboardsOf } from '#config/dashboards.ts';
import { noticesOf } from '#config/notices.ts';
import { savedQueries } from '#config/saved-queries.ts';
import { SOCKETS_API } from '#config/signals.ts';
import type { StageSettings } from '#config/stage-settings.ts';
import { makeAlarms } from '#constructs/alarms.ts';
import { adoptAlertTopics, makeAlertTopics } from '#constructs/alert-topics.ts';
import { makeDashboard } from '#constructs/dashboards.ts';
import { Notices } from '#constructs/notices.ts';
import { ServiceFunction, type Surroundings } from '#constructs/service-function.ts';
import type { DataStack } from './data-stack.ts';
import type { EventsStack } from './events-stack.ts';
import type { Identity } from './identity.ts';
import type { RealtimeStack } from './realtime-stack.ts';
import { StageStack } from './stage-stack.ts';
import type { StoresStack } from './stores-stack.ts';

interface ObservabilityStackProps {
  readonly around: Surroundings;
  readonly data: DataStack;
  readonly identity: Identity;
  readonly stores: StoresStack;
  readonly realtime: RealtimeStack;
  readonly events: EventsStack | null;
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
      environment: {
        STAGE: stage,
        DATABASE_URL: data.databaseUrl,
        DATABASE_AUTH: 'iam',
        KAFKA_CLUSTER_ARN: props.events?.clusterArn ?? '',
      },
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
    const topics =
      settings.takesOver === null
        ? makeAlertTopics(this, settings)
        : adoptAlertTopics(this, settings);
    const ids = { [SOCKETS_API]: realtime.socketsId };
    makeAlarms(this, stage, alarmsOf(settings), topics, ids);
    new Notices(this, 'Notices', stage, noticesOf(settings), topics);
    for (const spec of dashboardsOf(settings)) makeDashboard(this, settings, spec, ids);
    for (const { name, query, groups } of savedQueries(settings)) {
      new CfnQueryDefinition(this, `Query-${name}`, {
        name: `cloudflow-${stage}/${name}`,
        queryString: query,
        logGroupNames: [...groups],
      });
    }
  }
}
