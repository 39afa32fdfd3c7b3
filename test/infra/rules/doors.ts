/** Who may become what, and who may open what: policies that stand at a resource, not at a role. */
import type { Resource, Synthesised } from '../synth.ts';
import {
  entriesOf,
  list,
  type Rule,
  referred,
  type Statement,
  stackOf,
  statementsOf,
} from './view.ts';

interface Opening extends Statement {
  readonly Principal?: { readonly Service?: string | readonly string[] } | string;
}

const openingsOf = (policy: unknown): readonly Opening[] =>
  (policy as { readonly Statement: readonly Opening[] } | undefined)?.Statement ?? [];

/** Services that a policy lets do all of these. */
function servicesOf(
  openings: readonly Opening[],
  actions: readonly string[] = [],
): readonly string[] {
  return openings
    .filter(({ Effect, Action }) => {
      const may = (action: string) =>
        list(Action).some(
          (each) => each === action || (each.endsWith('*') && action.startsWith(each.slice(0, -1))),
        );
      return Effect === 'Allow' && actions.every(may);
    })
    .flatMap(({ Principal }) =>
      typeof Principal === 'object' && Principal.Service !== undefined
        ? list(Principal.Service)
        : [],
    );
}

/** Who uses a role that a resource names, and where it names it. */
const USERS: Readonly<
  Record<string, { readonly service: string; readonly at: readonly string[] }>
> = {
  'AWS::ApiGateway::Account': { service: 'apigateway', at: ['CloudWatchRoleArn'] },
  'AWS::Backup::BackupSelection': { service: 'backup', at: ['BackupSelection.IamRoleArn'] },
  'AWS::EC2::FlowLog': { service: 'vpc-flow-logs', at: ['DeliverLogsPermissionArn'] },
  'AWS::ECS::TaskDefinition': { service: 'ecs-tasks', at: ['TaskRoleArn', 'ExecutionRoleArn'] },
  'AWS::FIS::ExperimentTemplate': { service: 'fis', at: ['RoleArn'] },
  'AWS::KinesisFirehose::DeliveryStream': {
    service: 'firehose',
    at: ['ExtendedS3DestinationConfiguration.RoleARN'],
  },
  'AWS::Lambda::Function': { service: 'lambda', at: ['Role'] },
  'AWS::Logs::SubscriptionFilter': { service: 'logs', at: ['RoleArn'] },
  'AWS::RDS::DBProxy': { service: 'rds', at: ['RoleArn'] },
  'AWS::S3::Bucket': { service: 's3', at: ['ReplicationConfiguration.Role'] },
  'AWS::Scheduler::Schedule': { service: 'scheduler', at: ['Target.RoleArn'] },
  'AWS::StepFunctions::StateMachine': { service: 'states', at: ['RoleArn'] },
};

/** Roles that programs hand on, which no resource names. */
const HANDED_ON: Readonly<Record<string, string>> = {
  'Workflows/MachineRole': 'states',
  'Recovery/Archivist': 'export.rds',
};

const at = (value: unknown, path: string): unknown =>
  path
    .split('.')
    .reduce<unknown>((of, key) => (of as Record<string, unknown> | undefined)?.[key], value);

function usersOf(made: Synthesised): ReadonlyMap<string, ReadonlySet<string>> {
  const users = new Map<string, Set<string>>();
  for (const [type, { service, at: paths }] of Object.entries(USERS)) {
    for (const [id, { Properties }] of entriesOf(made, type)) {
      const named = paths.flatMap((path) => referred(made, stackOf(id), at(Properties, path)));
      for (const role of named) users.set(role, (users.get(role) ?? new Set()).add(service));
    }
  }
  return users;
}

const nameOfService = (principal: string): string =>
  principal.replace(/\.amazonaws\.com$/, '').replace(/^logs\..*$/, 'logs');

const TRUSTED: Rule = {
  name: 'a role is trusted to whoever uses it, and to nobody else',
  problems(made) {
    const users = usersOf(made);
    return entriesOf(made, 'AWS::IAM::Role').flatMap(([id, { Properties }]) => {
      const trusts = servicesOf(openingsOf(Properties['AssumeRolePolicyDocument']), [
        'sts:AssumeRole',
      ]).map(nameOfService);
      const handed = Object.entries(HANDED_ON).find(([role]) => id.startsWith(role))?.[1];
      const wanted = new Set([...(users.get(id) ?? []), ...(handed === undefined ? [] : [handed])]);
      return [
        ...[...wanted]
          .filter((each) => !trusts.includes(each))
          .map((each) => `${id} does not trust ${each}`),
        ...trusts
          .filter((each) => !wanted.has(each))
          .map((each) => `${id} trusts ${each} for nothing`),
      ];
    });
  },
};

/** What services of AWS do as a role before a program of ours begins. */
const BEFORE: readonly {
  readonly type: string;
  readonly at: string;
  readonly actions: readonly string[];
}[] = [
  {
    type: 'AWS::ECS::TaskDefinition',
    at: 'ExecutionRoleArn',
    actions: [
      ...['ecr:GetAuthorizationToken', 'ecr:BatchCheckLayerAvailability', 'ecr:BatchGetImage'],
      ...['ecr:GetDownloadUrlForLayer', 'logs:CreateLogStream', 'logs:PutLogEvents'],
    ],
  },
  {
    type: 'AWS::EC2::FlowLog',
    at: 'DeliverLogsPermissionArn',
    actions: ['logs:CreateLogStream', 'logs:PutLogEvents', 'logs:DescribeLogStreams'],
  },
];

const BEGUN: Rule = {
  name: 'whoever starts a container or writes a log of the network may do what that takes',
  problems: (made) =>
    BEFORE.flatMap(({ type, at: path, actions }) =>
      entriesOf(made, type).flatMap(([id, { Properties }]) => {
        const [role = '?'] = referred(made, stackOf(id), at(Properties, path));
        const may = statementsOf(made, role).flatMap(({ Action }) => list(Action));
        return actions
          .filter((action) => !may.includes(action))
          .map((action) => `${role} may not ${action}`);
      }),
    ),
};

const SEALING = ['kms:Decrypt', 'kms:GenerateDataKey'];

/** Services that must open a key because of what is sealed with it. */
function openersOf(made: Synthesised, [id, { Type, Properties }]: readonly [string, Resource]) {
  if (Type === 'AWS::Logs::LogGroup') return { key: Properties['KmsKeyId'], services: ['logs'] };
  if (Type !== 'AWS::SNS::Topic') return null;
  const heard = entriesOf(made, 'AWS::SNS::TopicPolicy')
    .filter(([policy, { Properties: of }]) =>
      referred(made, stackOf(policy), of['Topics']).includes(id),
    )
    .flatMap(([, { Properties: of }]) =>
      servicesOf(openingsOf(of['PolicyDocument']), ['sns:Publish']),
    );
  return { key: Properties['KmsMasterKeyId'], services: heard.map(nameOfService) };
}

const OPENED: Rule = {
  name: 'a key opens to the services that write what it seals, and to the account',
  problems: (made) => [
    ...[...entriesOf(made, 'AWS::Logs::LogGroup'), ...entriesOf(made, 'AWS::SNS::Topic')].flatMap(
      (entry) => {
        const opened = openersOf(made, entry);
        if (opened === null) return [];
        return referred(made, stackOf(entry[0]), opened.key).flatMap((key) => {
          const policy = made.resources.get(key)?.Properties['KeyPolicy'];
          if (policy === undefined) return [];
          const may = servicesOf(openingsOf(policy), SEALING).map(nameOfService);
          return opened.services
            .filter((service) => !may.includes(service))
            .map((service) => `${key} does not open to ${service}, which writes ${entry[0]}`);
        });
      },
    ),
    ...['AWS::KMS::Key', 'AWS::KMS::ReplicaKey'].flatMap((type) =>
      entriesOf(made, type)
        .filter(([, { Properties }]) => !JSON.stringify(Properties['KeyPolicy']).includes(':root'))
        .map(([id]) => `${id} does not open to the account`),
    ),
  ],
};

const LOGGED: Rule = {
  name: 'a bucket is closed to what is not TLS, and one that access logs go to takes them',
  problems: (made) =>
    entriesOf(made, 'AWS::S3::Bucket').flatMap(([id, { Properties }]) => {
      const policy = (bucket: string) =>
        entriesOf(made, 'AWS::S3::BucketPolicy')
          .filter(([of, found]) =>
            referred(made, stackOf(of), found.Properties['Bucket']).includes(bucket),
          )
          .flatMap(([, found]) => openingsOf(found.Properties['PolicyDocument']));
      const closed = policy(id).some(
        (each) =>
          each.Effect === 'Deny' && JSON.stringify(each).includes('"aws:SecureTransport":"false"'),
      );
      const target = referred(
        made,
        stackOf(id),
        at(Properties, 'LoggingConfiguration.DestinationBucketName'),
      );
      return [
        ...(closed ? [] : [`${id} takes what is not TLS`]),
        ...target
          .filter(
            (log) =>
              !servicesOf(policy(log), ['s3:PutObject']).includes('logging.s3.amazonaws.com'),
          )
          .map((log) => `${log} takes no access logs of ${id}`),
      ];
    }),
};

const TOLD: Rule = {
  name: 'a topic is closed to what is not TLS, and open to rules that tell it something',
  problems: (made) =>
    entriesOf(made, 'AWS::SNS::Topic').flatMap(([id]) => {
      const policy = entriesOf(made, 'AWS::SNS::TopicPolicy')
        .filter(([of, found]) =>
          referred(made, stackOf(of), found.Properties['Topics']).includes(id),
        )
        .flatMap(([, found]) => openingsOf(found.Properties['PolicyDocument']));
      const closed = policy.some(
        (each) =>
          each.Effect === 'Deny' && JSON.stringify(each).includes('"aws:SecureTransport":"false"'),
      );
      const rules = entriesOf(made, 'AWS::Events::Rule').filter(([rule, { Properties }]) =>
        referred(made, stackOf(rule), Properties['Targets']).includes(id),
      );
      const open = servicesOf(policy, ['sns:Publish']).includes('events.amazonaws.com');
      return [
        ...(closed ? [] : [`${id} takes what is not TLS`]),
        ...(open || rules.length === 0 ? [] : [`${id} hears nothing of ${rules[0]?.[0]}`]),
      ];
    }),
};

export const DOORS: readonly Rule[] = [TRUSTED, BEGUN, OPENED, LOGGED, TOLD];
