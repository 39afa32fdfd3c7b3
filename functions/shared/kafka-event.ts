import type { LogBatch, LogMessage } from '#ports/event-log.ts';

/** What Lambda hands over of a topic of MSK: records by `<topic>-<partition>`, in order. AWS's shape. */
export interface KafkaEvent {
  readonly records: Readonly<Record<string, readonly KafkaRecord[]>>;
}

interface KafkaRecord {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly timestamp: number;
  /** Base64. */
  readonly key?: string | null;
  readonly value?: string | null;
  /** Values as lists of bytes, which AWS writes as signed ones. */
  readonly headers?: readonly Readonly<Record<string, readonly number[]>>[];
}

/** Where each partition is to be tried again from; what is not named is done with. AWS's shape. */
export interface KafkaFailures {
  readonly batchItemFailures: readonly {
    readonly itemIdentifier: { readonly partition: string; readonly offset: number };
  }[];
}

export function readKafkaEvent({
  records,
}: KafkaEvent): readonly { readonly name: string; readonly batch: LogBatch }[] {
  return Object.entries(records).flatMap(([name, own]) => {
    const [first] = own;
    if (first === undefined) return [];
    const { topic, partition } = first;
    return [{ name, batch: { topic, partition, messages: own.map(toMessage) } }];
  });
}

const TENANT_HEADER = 'tenant';

function toMessage({ key, value, headers = [], offset, timestamp }: KafkaRecord): LogMessage {
  const texts: { [name: string]: string } = {};
  let tenant: string | null = null;
  for (const header of headers) {
    for (const [name, bytes] of Object.entries(header)) {
      const text = Buffer.from(bytes.map((byte) => byte & 0xff)).toString();
      if (name === TENANT_HEADER) tenant = text;
      else texts[name] = text;
    }
  }
  const whole = Buffer.from(key ?? '', 'base64').toString();
  const prefix = `${tenant}:`;
  return {
    tenant,
    key: tenant !== null && whole.startsWith(prefix) ? whole.slice(prefix.length) : whole,
    value: Buffer.from(value ?? '', 'base64').toString(),
    headers: texts,
    offset: String(offset),
    at: timestamp,
  };
}
