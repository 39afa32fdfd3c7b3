import { beforeAll, describe, expect, inject, it } from 'vitest';
import { STAGES } from '#config/stages.ts';
import { WHO_IS_WOKEN } from './rules/alarms.ts';
import { DOORS } from './rules/doors.ts';
import { RULES } from './rules/rules.ts';
import { list, type Rule, type Statement } from './rules/view.ts';
import { type Resource, type Synthesised, synthesise, withResources } from './synth.ts';

/** One thing taken away, or spoilt: what it was, where, and what some rule must name when it is gone. */
interface Mutation {
  readonly about: string;
  readonly id: string;
  /** Null: the whole resource. */
  readonly left: Resource | null;
  readonly named: string;
  /** Where those that could notice are few: all of them. */
  readonly by?: readonly Rule[];
}

const with_ = (resource: Resource, properties: Readonly<Record<string, unknown>>): Resource => ({
  ...resource,
  Properties: { ...resource.Properties, ...properties },
});

/** Every statement and every action that a role of ours has. */
function ofPolicies(id: string, resource: Resource): readonly Mutation[] {
  const document = resource.Properties['PolicyDocument'] as {
    readonly Statement: readonly Statement[];
  };
  const left = (statements: readonly Statement[]) =>
    with_(resource, { PolicyDocument: { ...document, Statement: statements } });
  // Statements without a name are CDK's own, of roles that no program of ours has.
  return document.Statement.filter(({ Sid }) => Sid !== undefined).flatMap((statement) => {
    const { Sid = '', Action } = statement;
    const others = document.Statement.filter((each) => each !== statement);
    return [
      { about: `statement ${Sid}`, id, left: left(others), named: Sid },
      {
        about: `the resource of ${Sid}`,
        id,
        left: left([...others, { ...statement, Resource: 'arn:aws:nothing' }]),
        named: Sid,
      },
      ...list(Action).map((action) => ({
        about: `action ${action} of ${Sid}`,
        id,
        left: left([
          ...others,
          { ...statement, Action: list(Action).filter((each) => each !== action) },
        ]),
        named: action,
      })),
    ];
  });
}

function ofVariables(id: string, resource: Resource): readonly Mutation[] {
  const { Variables = {} } = (resource.Properties['Environment'] ?? {}) as {
    readonly Variables?: Readonly<Record<string, unknown>>;
  };
  return Object.keys(Variables)
    .filter((key) => !key.startsWith('NODE_'))
    .map((key) => {
      const { [key]: _, ...others } = Variables;
      const left = with_(resource, { Environment: { Variables: others } });
      return { about: `variable ${key}`, id, left, named: key };
    });
}

function ofContainers(id: string, resource: Resource): readonly Mutation[] {
  const [container, ...more] = resource.Properties['ContainerDefinitions'] as readonly {
    readonly Environment: readonly { readonly Name: string }[];
  }[];
  if (container === undefined) return [];
  return container.Environment.map(({ Name }) => {
    const Environment = container.Environment.filter((each) => each.Name !== Name);
    const left = with_(resource, {
      ContainerDefinitions: [{ ...container, Environment }, ...more],
    });
    return { about: `variable ${Name} of the container`, id, left, named: Name };
  });
}

/** Resources that code uses: what a rule must say when one of them is gone. */
const WHOLE: Readonly<Record<string, (resource: Resource) => string>> = {
  'AWS::ApiGateway::Method': ({ Properties }) => `${String(Properties['HttpMethod'])} /`,
  'AWS::ApiGateway::Authorizer': () => 'no authorizer',
  'AWS::Lambda::EventSourceMapping': () => 'no mapping',
  'AWS::Lambda::Permission': ({ Properties }) =>
    Properties['Principal'] === 'apigateway.amazonaws.com'
      ? 'API Gateway may not'
      : 'EventBridge may not',
  'AWS::Scheduler::Schedule': () => 'no clock',
  'AWS::ApiGatewayV2::Route': () => 'is not served',
  'AWS::ApiGatewayV2::Integration': () => 'does not go to realtime',
  'AWS::ApiGatewayV2::Authorizer': () => 'does not say who may connect',
  'AWS::ApiGatewayV2::RouteResponse': () => 'is not answered',
  'AWS::Lambda::EventInvokeConfig': () => 'could not use are not kept',
  'AWS::StepFunctions::StateMachine': () => 'no machine',
  'AWS::Events::Rule': () => 'no rule',
  'AWS::SQS::Queue': () => 'no queue',
  'AWS::SQS::QueuePolicy': () => 'policy that asks for TLS',
  'AWS::MSK::Topic': ({ Properties }) => `no topic: ${String(Properties['TopicName'])}`,
  'AWS::ApplicationAutoScaling::ScalableTarget': ({ Properties }) =>
    Properties['ServiceNamespace'] === 'ecs' ? 'nothing scales the engine' : 'no disk grows',
  'AWS::ApplicationAutoScaling::ScalingPolicy': ({ Properties }) =>
    `does not scale by ${String(Properties['PolicyName']).split('-').at(-1)}`,
  'Custom::Trigger': () => 'no deployment invokes',
};

/** A method that lets anybody in, takes any body, or has no word for its body. */
function ofMethods(id: string, resource: Resource): readonly Mutation[] {
  const named = `${String(resource.Properties['HttpMethod'])} /`;
  const without = (about: string, key: string): readonly Mutation[] => {
    const { [key]: removed, ...others } = resource.Properties;
    if (removed === undefined) return [];
    return [{ about, id, left: { ...resource, Properties: others }, named }];
  };
  return [
    ...without('authorizer of a method', 'AuthorizerId'),
    ...without('model of a body', 'RequestModels'),
    ...without('validator of a body', 'RequestValidatorId'),
  ];
}

/** What only Kafka has: its topics, and rules that are resources of their own. */
const OF_KAFKA: ReadonlySet<string> = new Set(['AWS::MSK::Topic', 'letter', 'rule, made twice']);

/** What EC2 refuses: a letter that it does not know, and a rule that there is already. */
function ofGroupRules(id: string, resource: Resource): readonly Mutation[] {
  const Description = 'what changes the owner’s password';
  return [
    { about: 'letter', id, left: with_(resource, { Description }), named: 'owner’s' },
    { about: 'rule, made twice', id: `${id}Again`, left: resource, named: 'is the same rule as' },
  ];
}

/** Limits of all methods of one kind: the last of them must be missed too. */
function ofLimits(id: string, resource: Resource): readonly Mutation[] {
  const settings = resource.Properties['MethodSettings'] as readonly {
    readonly HttpMethod: string;
    readonly ResourcePath: string;
  }[];
  return ['HEAD', 'OPTIONS'].map((kind) => {
    const last = settings.findLast(({ HttpMethod }) => HttpMethod === kind)?.ResourcePath ?? '';
    const MethodSettings = settings.filter(({ HttpMethod }) => HttpMethod !== kind);
    return {
      about: `limit of ${kind}`,
      id,
      left: with_(resource, { MethodSettings }),
      named: `${kind} ${last.slice(1).replaceAll('~1', '/') || '/'} has no limit`,
    };
  });
}

/** What a policy at a resource says of one principal, taken away: whom it opens to, and what it is closed to. */
function ofDoors(id: string, resource: Resource, at: string): readonly Mutation[] {
  const document = resource.Properties[at] as { readonly Statement: readonly object[] };
  const of = (statement: object): string => {
    const { Effect, Principal } = statement as { Effect: string; Principal?: unknown };
    const text = JSON.stringify(statement);
    return Effect === 'Deny'
      ? (/"aws:[A-Za-z]+"/.exec(text)?.[0] ?? '')
      : JSON.stringify(Principal);
  };
  return [...new Set(document.Statement.map(of))]
    .filter((who) => /amazonaws\.com|:root|SecureTransport/.test(who))
    .map((who) => {
      const Statement = document.Statement.filter((statement) => of(statement) !== who);
      const left = with_(resource, { [at]: { ...document, Statement } });
      return {
        about: `door of ${resource.Type} to ${who}`,
        id,
        left,
        named: '',
        by: [...DOORS, WHO_IS_WOKEN],
      };
    });
}

/** Statements without a name are those of roles as which AWS begins what runs our programs. */
function ofBeginnings(id: string, resource: Resource): readonly Mutation[] {
  const document = resource.Properties['PolicyDocument'] as {
    readonly Statement: readonly Statement[];
  };
  if (!/ExecutionRole|FlowLog/.test(id)) return [];
  return document.Statement.map((statement) => {
    const Statement = document.Statement.filter((each) => each !== statement);
    const left = with_(resource, { PolicyDocument: { ...document, Statement } });
    const [named = ''] = list(statement.Action);
    return { about: `beginning ${named}`, id, left, named };
  });
}

function mutationsOf(id: string, resource: Resource): readonly Mutation[] {
  const whole = WHOLE[resource.Type];
  if (whole !== undefined) {
    return [
      { about: resource.Type, id, left: null, named: whole(resource) },
      ...(resource.Type === 'AWS::ApiGateway::Method' ? ofMethods(id, resource) : []),
    ];
  }
  switch (resource.Type) {
    case 'AWS::IAM::Policy':
      return [...ofPolicies(id, resource), ...ofBeginnings(id, resource)];
    case 'AWS::IAM::Role':
      return ofDoors(id, resource, 'AssumeRolePolicyDocument');
    case 'AWS::KMS::Key':
    case 'AWS::KMS::ReplicaKey':
      return ofDoors(id, resource, 'KeyPolicy');
    case 'AWS::SNS::TopicPolicy':
    case 'AWS::S3::BucketPolicy':
      return ofDoors(id, resource, 'PolicyDocument');
    case 'AWS::Lambda::Function':
      return resource.Properties['FunctionName'] === undefined
        ? []
        : [
            { about: 'function', id, left: null, named: 'there is no function' },
            ...ofVariables(id, resource),
          ];
    case 'AWS::ECS::TaskDefinition':
      return ofContainers(id, resource);
    case 'AWS::ApiGateway::Stage':
      return ofLimits(id, resource);
    case 'AWS::EC2::SecurityGroupIngress':
    case 'AWS::EC2::SecurityGroupEgress':
      return ofGroupRules(id, resource);
    case 'AWS::ECS::Service': {
      const { DependsOn: _, ...left } = resource;
      return [{ about: 'order of a service', id, left, named: 'no capacity providers' }];
    }
    default:
      return [];
  }
}

// Stages differ in what they have (a proxy, a region that waits, disks of brokers), so each is asked.
describe.each(STAGES)('what code uses, taken away from the templates of %s', (stage) => {
  let made: Synthesised;
  let mutations: readonly Mutation[];
  beforeAll(() => {
    made = synthesise(stage, inject('dist'));
    mutations = [...made.resources].flatMap(([id, resource]) => mutationsOf(id, resource));
  });
  /** Rules are asked one after the other until one says its name. */
  const isNoticed = ({ id, left, named, by = RULES }: Mutation): boolean => {
    const resources = new Map(made.resources);
    if (left === null) resources.delete(id);
    else resources.set(id, left);
    const mutated = withResources(made, resources);
    return by.some((rule) => rule.problems(mutated).some((problem) => problem.includes(named)));
  };

  it('is whole before', () => {
    expect(RULES.flatMap((rule) => rule.problems(made))).toEqual([]);
  });

  it('a rehearsal without a token is noticed, where there are rehearsals', () => {
    const clocks = [...made.resources].filter(([, { Properties }]) =>
      JSON.stringify(Properties['Target'] ?? '').includes(':fis:startExperiment'),
    );
    expect(clocks.length).toBe(made.settings.rehearses ? 1 : 0);
    for (const [id, resource] of clocks) {
      const { Input: _, ...Target } = resource.Properties['Target'] as { Input: unknown };
      const left = with_(resource, { Target });
      expect(isNoticed({ about: 'token', id, left, named: 'no token of its own' })).toBe(true);
    }
  });

  it.each([
    'statement',
    'the resource of',
    'action',
    'variable',
    'function',
    'authorizer of a method',
    'model of a body',
    'validator of a body',
    'letter',
    'rule, made twice',
    'order of a service',
    'limit of',
    'door of',
    'beginning',
    ...Object.keys(WHOLE),
  ])('%s: each one that is gone is noticed, by its name', (kind) => {
    const tried = mutations.filter(({ about }) => about === kind || about.startsWith(`${kind} `));
    expect(tried.length > 0).toBe(made.settings.events !== null || !OF_KAFKA.has(kind));
    const unnoticed = tried.filter((mutation) => !isNoticed(mutation));
    expect(unnoticed.map(({ about, id }) => `${about} at ${id}`)).toEqual([]);
  });
});
