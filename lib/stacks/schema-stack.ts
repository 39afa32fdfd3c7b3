import { LogGroup } from 'aws-cdk-lib/aws-logs';
import { type CfnResource, Duration, RemovalPolicy } from 'aws-cdk-lib/core';
import { Trigger } from 'aws-cdk-lib/triggers';
import type { Construct } from 'constructs';
import { type FunctionName, functionNames, functionSpec } from '#config/functions.ts';
import type { StageSettings } from '#config/stage-settings.ts';
import { ServiceFunction, type Surroundings } from '#constructs/service-function.ts';
import type { DataStack } from './data-stack.ts';
import type { EventsStack } from './events-stack.ts';
import type { Identity } from './identity.ts';
import { StageStack } from './stage-stack.ts';

/**
 * The schema of the database, brought forward by every deployment that changes it, before any program
 * that needs it. A migration that fails, fails the deployment.
 */
export class SchemaStack extends StageStack {
  constructor(
    scope: Construct,
    settings: StageSettings,
    {
      around,
      data,
      events,
      identity,
    }: {
      readonly around: Surroundings;
      readonly data: DataStack;
      readonly events: EventsStack | null;
      readonly identity: Identity;
    },
  ) {
    super(scope, 'Schema', settings, 'migrations and upkeep of the database');
    const { stage } = settings;
    const functions = {
      migrate: new ServiceFunction(this, 'Migrate', {
        name: 'migrate',
        around,
        environment: {
          STAGE: stage,
          DATABASE_URL: data.writerUrl,
          DATABASE_AUTH: 'iam',
          DATABASE_OWNER_SECRET: data.ownerSecret,
        },
        grants: data.grants,
      }),
      partitions: new ServiceFunction(this, 'Partitions', {
        name: 'partitions',
        around,
        environment: {
          STAGE: stage,
          DATABASE_URL: data.databaseUrl,
          DATABASE_AUTH: 'iam',
          KAFKA_CLUSTER_ARN: events?.clusterArn ?? '',
        },
        grants: data.grants,
      }),
      'signing-keys': new ServiceFunction(this, 'SigningKeys', {
        name: 'signing-keys',
        around,
        environment: {
          STAGE: stage,
          DATABASE_URL: data.databaseUrl,
          DATABASE_AUTH: 'iam',
          SIGNING_SEAL_KEY: identity.signingKey.keyArn,
        },
        grants: { ...data.grants, ...identity.grants },
      }),
      'platform-keys': new ServiceFunction(this, 'PlatformKeys', {
        name: 'platform-keys',
        around,
        environment: {
          STAGE: stage,
          CURSOR_KEY_SECRET: identity.cursorKeySecret,
          IDENTITY_KEY_SECRET: identity.identityKeySecret,
        },
        grants: identity.grants,
      }),
      'collect-secrets': new ServiceFunction(this, 'CollectSecrets', {
        name: 'collect-secrets',
        around,
        environment: {
          STAGE: stage,
          DATABASE_URL: data.databaseUrl,
          DATABASE_AUTH: 'iam',
          TENANT_SECRETS_PREFIX: identity.tenantSecretsPrefix,
          TENANT_SECRETS_KEY: identity.dataKey.keyArn,
          TENANT_SECRETS_COPY: identity.tenantSecretsCopy,
        },
        grants: { ...data.grants, ...identity.grants },
      }),
    };

    // Beside the schema: as little as it, it waits for the programs that serve callers.
    new ServiceFunction(this, 'MakeTenant', {
      name: 'make-tenant',
      around,
      environment: { STAGE: stage, DATABASE_URL: data.databaseUrl, DATABASE_AUTH: 'iam' },
      grants: data.grants,
    });

    let before: Trigger | null = null;
    for (const name of deployedInOrder(settings)) {
      const program = (functions as { readonly [N in FunctionName]?: ServiceFunction<N> })[name];
      if (program === undefined) throw new TypeError(`${name} starts by deployment; add it here`);
      const trigger = new Trigger(this, `${program.node.id}Now`, {
        handler: program.handler,
        timeout: Duration.seconds(program.spec.timeoutSeconds),
        executeAfter: [program, ...(before === null ? [] : [before])],
      });
      before = trigger;
    }
    this.tameInvoker(around);
  }

  /** The function by which CDK invokes ours is like ours: on arm64, with a log that is sealed and ends. */
  private tameInvoker({ logKey }: Surroundings): void {
    const { stage, logDays } = this.settings;
    const log = new LogGroup(this, 'InvokerLog', {
      logGroupName: `/cloudflow/${stage}/deploy-invoker`,
      retention: logDays,
      encryptionKey: logKey,
      removalPolicy: RemovalPolicy.DESTROY,
    });
    const provider = this.node.findChild(
      'AWSCDK.TriggerCustomResourceProviderCustomResourceProvider',
    );
    const invoker = provider.node.findChild('Handler') as CfnResource;
    invoker.addPropertyOverride('Architectures', ['arm64']);
    invoker.addPropertyOverride('LoggingConfig', { LogGroup: log.logGroupName });
  }
}

/** Functions that a deployment invokes, first to last. */
function deployedInOrder({ takesOver }: StageSettings): readonly FunctionName[] {
  return functionNames
    .flatMap((name) =>
      functionSpec(name).triggers.flatMap((trigger) =>
        trigger.kind === 'deploy' && (takesOver === null || trigger.atHome !== true)
          ? [{ name, order: trigger.order }]
          : [],
      ),
    )
    .sort((left, right) => left.order - right.order)
    .map(({ name }) => name);
}
