import { createHash } from 'node:crypto';
import type { Answer, Asked, Request, Service } from './emulation.ts';
import { xml } from './xml.ts';

/** One bucket of S3, with conditional writes. */
export interface Objects {
  readonly service: Service;
  /** By key. */
  readonly documents: Map<string, string>;
  /** Keys that begin so, in order. */
  keys(prefix: string): string[];
}

export function createObjects(): Objects {
  const documents = new Map<string, string>();
  const tagOf = (text: string): string => `"${createHash('md5').update(text).digest('hex')}"`;
  const refuse = (status: number, code: string, message: string): Answer => ({
    status,
    type: 'application/xml',
    body: `<Error>${xml({ Code: code, Message: message })}</Error>`,
  });

  return {
    documents,
    keys: (prefix) => [...documents.keys()].filter((key) => key.startsWith(prefix)).sort(),
    service: {
      understand({ method, path, headers, body }: Request): Asked | null {
        if (method !== 'GET' && method !== 'PUT') return null;
        const [, , ...key] = decodeURIComponent(path).split('/');
        return {
          operation: method === 'GET' ? 's3.GetObject' : 's3.PutObject',
          input: {
            key: key.join('/'),
            body,
            none: headers['if-none-match'],
            match: headers['if-match'],
          },
        };
      },
      answer({ operation, input }: Asked): Answer {
        const { key, body, none, match } = input as Record<string, string | undefined>;
        const there = documents.get(key ?? '');
        if (operation === 's3.GetObject') {
          return there === undefined
            ? refuse(404, 'NoSuchKey', 'there is nothing')
            : {
                status: 200,
                type: 'application/json',
                body: there,
                headers: { etag: tagOf(there) },
              };
        }
        const held =
          (none === '*' && there !== undefined) ||
          (match !== undefined && (there === undefined || tagOf(there) !== match));
        if (held) return refuse(412, 'PreconditionFailed', 'something else is there');
        documents.set(key ?? '', body ?? '');
        return {
          status: 200,
          type: 'application/xml',
          body: '',
          headers: { etag: tagOf(body ?? '') },
        };
      },
      refuse,
    },
  };
}
