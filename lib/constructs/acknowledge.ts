import { Stack, Validations } from 'aws-cdk-lib/core';
import type { IConstruct } from 'constructs';

/** Accepts a finding of the checks that run with every synth, for what stands below `construct`. */
export function acknowledge(construct: IConstruct, id: string, reason: string): void {
  Validations.of(construct).acknowledge({ id, reason });
}

/**
 * Text of a resource as the checks spell it: what it refers to in its own stack stands between angle
 * brackets. A finding is accepted by its exact spelling.
 */
export function spelled(scope: IConstruct, text: string): string {
  const resolved: unknown = Stack.of(scope).resolve(text);
  if (typeof resolved === 'string') return resolved;
  const [delimiter, parts] = (resolved as { 'Fn::Join': [string, readonly unknown[]] })['Fn::Join'];
  return parts
    .map((part) => {
      if (typeof part === 'string') return part;
      const { Ref, 'Fn::GetAtt': attribute } = part as {
        readonly Ref?: string;
        readonly 'Fn::GetAtt'?: readonly string[];
      };
      return `<${Ref ?? attribute?.join('.')}>`;
    })
    .join(delimiter);
}
