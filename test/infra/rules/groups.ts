import type { Resource, Synthesised } from '../synth.ts';
import { entriesOf, type Rule, stackOf } from './view.ts';

type Properties = Resource['Properties'];

/** What EC2 takes as the description of a group or of a rule: `GroupDescription` and `IpPermission`. */
const DESCRIPTION = /^[a-zA-Z0-9. _\-:/()#,@[\]+=&;{}!$*]{1,255}$/;

/** One rule of a group: written into it, or a resource beside it. */
export interface GroupRule {
  readonly at: string;
  readonly way: 'in' | 'out';
  /** The group that it belongs to, as templates refer to it. */
  readonly group: string;
  readonly said: Properties;
}

export function groupRules(made: Synthesised): readonly GroupRule[] {
  const ways = [
    ['in', 'Ingress'],
    ['out', 'Egress'],
  ] as const;
  return ways.flatMap(([way, name]) => [
    ...entriesOf(made, 'AWS::EC2::SecurityGroup').flatMap(([at, { Properties }]) =>
      ((Properties[`SecurityGroup${name}`] ?? []) as readonly Properties[]).map((said) => ({
        at,
        way,
        group: JSON.stringify({ 'Fn::GetAtt': [at.slice(at.indexOf('/') + 1), 'GroupId'] }),
        said,
      })),
    ),
    ...entriesOf(made, `AWS::EC2::SecurityGroup${name}`).map(([at, { Properties }]) => ({
      at,
      way,
      group: JSON.stringify(Properties['GroupId']),
      said: Properties,
    })),
  ]);
}

/** Who is on the other side, as templates refer to it. */
export function peerOf({ said }: GroupRule): string {
  const peer =
    said['SourceSecurityGroupId'] ??
    said['DestinationSecurityGroupId'] ??
    said['CidrIp'] ??
    said['CidrIpv6'];
  return JSON.stringify(peer);
}

/** A port, whatever a template calls it: a cluster tells its own, which is the one it was made with. */
function portOf(made: Synthesised, stack: string, value: unknown): string {
  const [id] = (value as { 'Fn::GetAtt'?: readonly string[] } | null)?.['Fn::GetAtt'] ?? [];
  const teller = made.resources.get(`${stack}/${id}`);
  if (teller?.Type === 'AWS::RDS::DBCluster') return String(teller.Properties['Port'] ?? 5432);
  return JSON.stringify(value);
}

export const DESCRIBED: Rule = {
  name: 'describes groups and their rules in the letters and the length that EC2 takes',
  problems: (made) =>
    [
      ...entriesOf(made, 'AWS::EC2::SecurityGroup').map(([at, { Properties }]) => ({
        at,
        text: Properties['GroupDescription'],
      })),
      ...groupRules(made).map(({ at, said }) => ({ at, text: said['Description'] ?? '-' })),
    ]
      .map(({ at, text }) => ({ at, text: readable(text) }))
      .filter(({ text }) => !DESCRIPTION.test(text))
      .map(({ at, text }) => `${at}: EC2 takes no such description: ${text}`),
};

/** CDK describes its own rules by ids of groups and ports that only CloudFormation knows: `sg-0ab` and a number. */
function readable(text: unknown): string {
  if (typeof text === 'string') return text;
  const [glue, parts] = (text as { 'Fn::Join'?: [string, readonly unknown[]] })['Fn::Join'] ?? [];
  if (glue === undefined || parts === undefined) return JSON.stringify(text);
  return parts.map((part) => (typeof part === 'string' ? part : 'sg-0123456789abcdef0')).join(glue);
}

export const ONCE: Rule = {
  name: 'makes no rule of a group twice, which EC2 refuses',
  problems: (made) => {
    const seen = new Map<string, string>();
    return groupRules(made).flatMap((rule) => {
      const { at, way, group, said } = rule;
      const stack = stackOf(at);
      const ports = [said['FromPort'], said['ToPort']].map((port) => portOf(made, stack, port));
      const key = [stack, way, group, said['IpProtocol'], ...ports, peerOf(rule)].join(' ');
      const first = seen.get(key);
      seen.set(key, at);
      return first === undefined ? [] : [`${at} is the same rule as ${first}`];
    });
  },
};
