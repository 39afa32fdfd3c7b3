import { EVENT_LOG_LIMITS, EventLogError, type NewMessage } from '#ports/event-log.ts';

/** Bytes of a message as limits count them. */
export function messageBytes({ key, value, headers }: NewMessage): number {
  let bytes = Buffer.byteLength(key) + Buffer.byteLength(value);
  for (const [name, text] of Object.entries(headers)) {
    bytes += Buffer.byteLength(name) + Buffer.byteLength(text);
  }
  return bytes;
}

/** Throws for what no log takes, before any of it is written. */
export function checkMessages(topic: string, messages: readonly NewMessage[]): void {
  if (messages.length > EVENT_LOG_LIMITS.appended) {
    throw new TypeError(
      `${messages.length} messages to ${topic} at once; append at most ${EVENT_LOG_LIMITS.appended}`,
    );
  }
  for (const message of messages) {
    const bytes = messageBytes(message);
    if (bytes > EVENT_LOG_LIMITS.messageBytes) {
      throw new EventLogError(
        'MESSAGE_TOO_LARGE',
        `a message to ${topic} has ${bytes} bytes; use at most ${EVENT_LOG_LIMITS.messageBytes}`,
      );
    }
  }
}

/** Throws for a reader that no log serves. */
export function checkMost(most: number): void {
  if (!Number.isInteger(most) || most < 1 || most > EVENT_LOG_LIMITS.batch) {
    throw new TypeError(
      `a reader asks for ${most} messages at a time; use 1 to ${EVENT_LOG_LIMITS.batch}`,
    );
  }
}
