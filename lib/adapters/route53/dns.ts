import {
  ChangeResourceRecordSetsCommand,
  GetChangeCommand,
  ListResourceRecordSetsCommand,
  type Route53Client,
} from '@aws-sdk/client-route-53';
import { OperationFailure } from '#core/operation-failure.ts';
import type { Dns } from '#ports/recovery.ts';
import { asked } from '../aws/failure.ts';

export function createRoute53Dns(client: Route53Client): Dns {
  return {
    async find(zone, name) {
      const { ResourceRecordSets = [] } = await asked('a record', () =>
        client.send(
          new ListResourceRecordSetsCommand({
            HostedZoneId: zone,
            StartRecordName: name,
            MaxItems: 10,
          }),
        ),
      );
      const found = ResourceRecordSets.find(
        ({ Name, Type }) => withoutDot(Name) === withoutDot(name) && isTarget(Type),
      );
      if (found === undefined) return null;
      const host = found.AliasTarget?.DNSName ?? found.ResourceRecords?.[0]?.Value;
      return { host: withoutDot(host), ttlSeconds: found.TTL ?? null };
    },
    async point(zone, name, host, ttlSeconds) {
      const { ChangeInfo } = await asked('a change of a record', () =>
        client.send(
          new ChangeResourceRecordSetsCommand({
            HostedZoneId: zone,
            ChangeBatch: {
              Comment: 'CloudFlow: taken over by another region',
              Changes: [
                {
                  Action: 'UPSERT',
                  ResourceRecordSet: {
                    Name: name,
                    Type: 'CNAME',
                    TTL: ttlSeconds,
                    ResourceRecords: [{ Value: host }],
                  },
                },
              ],
            },
          }),
        ),
      );
      if (ChangeInfo?.Id === undefined) {
        throw new OperationFailure('InvalidResponse', 'a change of a record has no id');
      }
      return ChangeInfo.Id;
    },
    async isEverywhere(change) {
      const { ChangeInfo } = await asked('a change of a record', () =>
        client.send(new GetChangeCommand({ Id: change })),
      );
      return ChangeInfo?.Status === 'INSYNC';
    },
  };
}

function isTarget(type: string | undefined): boolean {
  return type === 'CNAME' || type === 'A' || type === 'AAAA';
}

function withoutDot(name: string | undefined): string {
  return (name ?? '').replace(/\.$/, '').toLowerCase();
}
