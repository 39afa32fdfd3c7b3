import type { Clock } from '#ports/clock.ts';
import type { Answer, Asked, Request, Service } from './emulation.ts';
import { xml, xmlError } from './xml.ts';

/** Records of Route 53. */
export interface Names {
  readonly service: Service;
  readonly records: Map<string, { readonly host: string; readonly ttl: number | null }>;
}

const EVERYWHERE_MS = 40_000;

export function createNames(clock: Clock): Names {
  const records: Names['records'] = new Map();
  const changes = new Map<string, number>();

  const answer = (name: string, body: string): Answer => ({
    status: 200,
    type: 'text/xml',
    body: `<${name} xmlns="https://route53.amazonaws.com/doc/2013-04-01/">${body}</${name}>`,
  });
  const changeInfo = (id: string): string =>
    xml({
      ChangeInfo: {
        Id: `/change/${id}`,
        Status: clock.now() >= (changes.get(id) ?? 0) + EVERYWHERE_MS ? 'INSYNC' : 'PENDING',
        SubmittedAt: new Date(changes.get(id) ?? 0).toISOString(),
      },
    });

  return {
    records,
    service: {
      understand({ method, path, query, body }: Request): Asked | null {
        if (!path.startsWith('/2013-04-01/')) return null;
        if (path.includes('/change/')) {
          return { operation: 'route53.GetChange', input: { id: path.split('/').at(-1) ?? '' } };
        }
        return method === 'GET'
          ? { operation: 'route53.ListResourceRecordSets', input: { name: query.get('name') } }
          : { operation: 'route53.ChangeResourceRecordSets', input: { body } };
      },
      answer({ operation, input }: Asked): Answer {
        switch (operation) {
          case 'route53.GetChange':
            return answer('GetChangeResponse', changeInfo(String(input['id'])));
          case 'route53.ListResourceRecordSets': {
            const name = String(input['name']);
            const found = records.get(name);
            const set =
              found === undefined
                ? []
                : [
                    found.ttl === null
                      ? {
                          Name: `${name}.`,
                          Type: 'A',
                          AliasTarget: {
                            HostedZoneId: 'Z0',
                            DNSName: `${found.host}.`,
                            EvaluateTargetHealth: false,
                          },
                        }
                      : {
                          Name: `${name}.`,
                          Type: 'CNAME',
                          TTL: found.ttl,
                          ResourceRecords: { ResourceRecord: { Value: found.host } },
                        },
                  ];
            return answer(
              'ListResourceRecordSetsResponse',
              xml({
                ResourceRecordSets: ['ResourceRecordSet', set],
                IsTruncated: false,
                MaxItems: 10,
              }),
            );
          }
          default: {
            const body = String(input['body']);
            const of = (tag: string) =>
              new RegExp(`<${tag}>([^<]*)</${tag}>`).exec(body)?.[1] ?? '';
            if (of('Action') !== 'UPSERT' || of('Type') !== 'CNAME') {
              return xmlError(400, 'InvalidChangeBatch', 'only a CNAME is emulated');
            }
            records.set(of('Name'), { host: of('Value'), ttl: Number(of('TTL')) });
            const id = `C${changes.size + 1}`;
            changes.set(id, clock.now());
            return answer('ChangeResourceRecordSetsResponse', changeInfo(id));
          }
        }
      },
      refuse: xmlError,
    },
  };
}
