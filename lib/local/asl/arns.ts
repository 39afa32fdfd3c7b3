/** Names of machines, executions and tasks. ARNs are made like AWS's, in account 0 of no region. */
import { createHash } from 'node:crypto';

/** The ARN of a machine that lives in this process only. */
export function localMachineArn(name: string): string {
  return `arn:aws:states:local:000000000000:stateMachine:${name}`;
}

/** A version or alias is part of the machine's ARN and not of its executions'. */
export function executionArnOf(stateMachineArn: string, name: string): string {
  const [, partition, , region, account] = stateMachineArn.split(':');
  const machine = machineNameOf(stateMachineArn);
  return `arn:${partition}:states:${region}:${account}:execution:${machine}:${name}`;
}

export function machineNameOf(stateMachineArn: string): string {
  return stateMachineArn.split(':')[6] ?? stateMachineArn;
}

/** A child's name when the definition gives none: the same when the attempt is asked again. */
export function childName(attemptKey: string): string {
  return createHash('sha256').update(attemptKey).digest('hex').slice(0, 40);
}

/** Where the answer goes, and a secret, so that a token cannot be made up. */
export function newTaskToken(executionArn: string, lane: string, secret: string): string {
  return Buffer.from(JSON.stringify([executionArn, lane, secret])).toString('base64url');
}

export function laneOfToken(token: string): { executionArn: string; lane: string } | null {
  // AWS's tokens have up to 2,048 characters; nothing longer is looked at.
  if (token.length > 2_048) return null;
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(token, 'base64url').toString());
  } catch {
    return null; // whatever it is, it is not a token
  }
  if (!Array.isArray(value)) return null;
  const [executionArn, lane] = value;
  return typeof executionArn === 'string' && typeof lane === 'string'
    ? { executionArn, lane }
    : null;
}
