import type { Client } from '#client/client.ts';
import type { ResponseBody } from '#contract/routes.ts';
import { CliError } from '../cli-error.ts';
import { facts } from '../output/facts.ts';
import type { Terminal } from '../output/terminal.ts';
import { instant } from '../output/text.ts';

type Tenant = ResponseBody<'getTenant'>;
type Settings = Tenant['settings'];

export async function showTenant(terminal: Terminal, client: Client): Promise<void> {
  const { tenant_id } = await client.whoAmI();
  say(terminal, await client.getTenant({ tenant_id }));
}

export interface TenantChange {
  readonly name?: string;
  readonly mfa?: Settings['mfa'];
  readonly passwordSignIn?: Settings['password_sign_in'];
  readonly requestsPerMinute?: number | 'default';
  readonly origin?: readonly string[];
  /** False: none. */
  readonly origins?: boolean;
}

/** What is not said stays as it is; what somebody else has changed meanwhile is not overwritten. */
export async function updateTenant(
  terminal: Terminal,
  client: Client,
  change: TenantChange,
): Promise<void> {
  const { name, mfa, passwordSignIn, requestsPerMinute: rate, origin, origins } = change;
  if (Object.values(change).every((value) => value === undefined || value === true)) {
    throw new CliError(
      'usage',
      'USAGE',
      'nothing is to be changed; `cloudflow tenant update --help` says what can be',
    );
  }
  const { tenant_id } = await client.whoAmI();
  const { body: found, etag } = await client.send('getTenant', { tenant_id });
  const { settings } = found;
  const changed = await client.updateTenant({
    tenant_id,
    body: {
      name: name ?? found.name,
      settings: {
        mfa: mfa ?? settings.mfa,
        password_sign_in: passwordSignIn ?? settings.password_sign_in,
        requests_per_minute:
          rate === undefined ? settings.requests_per_minute : rate === 'default' ? null : rate,
        allowed_origins: origins === false ? [] : [...(origin ?? settings.allowed_origins)],
      },
    },
    ifMatch: etag ?? '*',
  });
  say(terminal, changed);
}

function say(terminal: Terminal, tenant: Tenant): void {
  if (terminal.json) {
    terminal.document(tenant);
    return;
  }
  const { settings } = tenant;
  terminal.out(
    facts(terminal, [
      ['tenant', tenant.slug],
      ['id', tenant.tenant_id],
      ['name', tenant.name],
      ['2nd factor', MFA[settings.mfa]],
      ['passwords', PASSWORDS[settings.password_sign_in]],
      ['requests', `${settings.requests_per_minute ?? 'as many as is usual'}, in a minute`],
      ['web pages', settings.allowed_origins.join(', ') || 'none may call'],
      ['changed', `${instant(tenant.updated_at)} UTC`],
    ]),
  );
}

const MFA: { readonly [Word in Settings['mfa']]: string } = {
  off: 'asked of nobody',
  administrative: 'asked of whoever changes who may do what',
  everyone: 'asked of every user',
};

const PASSWORDS: { readonly [Word in Settings['password_sign_in']]: string } = {
  everyone: 'sign in whoever has one',
  owners: 'sign in owners alone',
};
