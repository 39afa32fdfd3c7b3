import { derivedId } from '#core/ids.ts';
import { isJsonObject, type Json } from '#core/json.ts';
import { traceText } from '#core/trace.ts';
import type { Connector } from './deps.ts';

import { invalidConfig } from './failure.ts';
import { short, typeName } from './http-config.ts';

/** Topic by channel: the notifications.* topics of the platform. */
const TOPICS = {
  email: 'notifications.email',
  sms: 'notifications.sms',
  webhook: 'notifications.webhook',
  in_app: 'notifications.inapp',
} as const;

const MEMBERS = ['channel', 'template', 'to', 'data', 'timeout', 'retry'];

/**
 * One attempt of a notification: a durable request to deliver, not the delivery. Its id derives from
 * the idempotency key, so every attempt asks for the same one. Raw result: `{notification_id}`.
 */
export const performNotification: Connector = async (deps, caller, config) => {
  if (!isJsonObject(config)) throw invalidConfig('config is not an object');
  const unknown = Object.keys(config).find((member) => !MEMBERS.includes(member));
  if (unknown !== undefined)
    throw invalidConfig(`config has an unknown member '${short(unknown)}'`);
  const channel = channelOf(config['channel']);
  const template = config['template'] ?? null;
  if (template !== null && typeof template !== 'string') {
    throw invalidConfig(`template is ${typeName(template)}, not a name`);
  }
  const id = derivedId(caller.rootId, caller.idempotencyKey);
  await deps.outbox.publish({
    tenant: caller.tenant,
    mode: caller.mode,
    topic: TOPICS[channel],
    key: id,
    id,
    trace: caller.trace === null ? null : traceText(caller.trace),
    payload: {
      notification_id: id,
      channel,
      template,
      to: config['to'] ?? null,
      data: config['data'] ?? null,
      execution_id: caller.executionId,
      step: caller.key,
      mode: caller.mode,
    },
  });
  return { notification_id: id };
};

function channelOf(channel: Json | undefined): keyof typeof TOPICS {
  if (typeof channel === 'string' && Object.hasOwn(TOPICS, channel)) {
    return channel as keyof typeof TOPICS;
  }
  throw invalidConfig(`channel is none of ${Object.keys(TOPICS).join(', ')}`);
}
