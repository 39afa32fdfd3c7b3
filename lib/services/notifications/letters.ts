import { authRoutes } from '#contract/routes/auth.ts';
import type { JsonObject } from '#core/json.ts';
import type { MailTemplate } from '#ports/mail.ts';

/**
 * What the platform writes to people. Names and addresses in it were chosen by whoever invited or
 * changed somebody, so they are said only where they are plain words: nobody sends his own text in our name.
 */
interface Words {
  readonly subject: string;
  /** Before the token; `data` is what was asked for. */
  readonly why: (data: JsonObject) => string;
  /** What whoever got the mail sends, besides the token; null: there is nothing to send. */
  readonly answer: { readonly path: string; readonly more: JsonObject } | null;
}

const LETTERS: { readonly [T in MailTemplate]: Words } = {
  'identity.invitation': {
    subject: 'You are invited to CloudFlow',
    why: (data) =>
      `You are invited to ${tenantOf(data)} on CloudFlow. Accept with a password of your choice.`,
    answer: { path: authRoutes.acceptInvitation.path, more: { password: 'choose a long one' } },
  },
  'identity.reset_password': {
    subject: 'Choose a new password for CloudFlow',
    why: (data) =>
      `Somebody, most likely you, asked for a new password in ${tenantOf(data)}. If it was not you, do nothing: the old one stays good.`,
    answer: { path: authRoutes.resetPassword.path, more: { new_password: 'choose a long one' } },
  },
  'identity.confirm_address': {
    subject: 'Confirm your address for CloudFlow',
    why: (data) =>
      `Confirm that this address is yours, in ${tenantOf(data)}. If you know nothing of it, do nothing.`,
    answer: { path: authRoutes.confirmAddress.path, more: {} },
  },
  'identity.address_changed': {
    subject: 'Your address for CloudFlow has changed',
    why: (data) =>
      `Your address in ${tenantOf(data)} is another one from now on; this one receives no more mail. If it was not you, tell whoever administers it at once.`,
    answer: null,
  },
};

/** Words of letters by their name; null: it is none of ours. */
export function isTemplate(name: unknown): name is MailTemplate {
  return typeof name === 'string' && Object.hasOwn(LETTERS, name);
}

/** What whoever got the mail would send; null: nothing. */
export function answerOf(template: MailTemplate): Words['answer'] {
  return LETTERS[template].answer;
}

export function write(
  template: MailTemplate,
  data: JsonObject,
  baseUrl: string,
): { readonly subject: string; readonly text: string } {
  const { subject, why, answer } = LETTERS[template];
  const { token, expires_at } = data;
  const lines = [greetingOf(data), '', why(data), ''];
  if (answer !== null && typeof token === 'string') {
    const body = JSON.stringify({ token, ...answer.more });
    lines.push(
      ...(typeof expires_at === 'string' ? [`It is good once, until ${expires_at}:`, ''] : []),
      token,
      '',
      'Who has no page for it sends:',
      '',
      `curl -s ${baseUrl}${answer.path} -H 'Content-Type: application/json' -d '${body}'`,
      '',
    );
  }
  return { subject, text: lines.join('\n') };
}

/** Letters of any language, with what stands between them in names: nothing that a mail program makes a link of. */
const PLAIN_NAME = /^[\p{L}\p{M}](?:[\p{L}\p{M}'’ -]|\. ){0,58}[\p{L}\p{M}.]$/u;
const SLUG = /^[a-z0-9-]{1,63}$/;

function greetingOf({ name }: JsonObject): string {
  return typeof name === 'string' && PLAIN_NAME.test(name) ? `Hello ${name},` : 'Hello,';
}

function tenantOf({ tenant }: JsonObject): string {
  return typeof tenant === 'string' && SLUG.test(tenant) ? `“${tenant}”` : 'your organisation';
}
