import { randomBytes } from 'node:crypto';
import { createPostgresAuditTrail } from '#adapters/postgres/audit-trail.ts';
import { createPostgresOneTimeTokens } from '#adapters/postgres/one-time-tokens.ts';
import { createTenantMaker } from '#adapters/postgres/tenant-maker.ts';
import { createPostgresUsers } from '#adapters/postgres/user-store.ts';
import { readEnv } from '#config/env.ts';
import { CloudFlowError } from '#core/errors.ts';
import { createAuditor } from '#services/audit/auditor.ts';
import { makeFirstOwner } from '#services/users/first-owner.ts';
import { openPools } from '../shared/database.ts';
import { invoked } from '../shared/invoked.ts';
import { createBasics } from '../shared/process.ts';

const env = readEnv('make-tenant', process.env);
const basics = createBasics('make-tenant', env);
const open = openPools(basics, env);
const app = open('cloudflow_app', 1);
const maker = createTenantMaker(open('cloudflow_relay', 1));
const { clock, ids, log } = basics;
const trail = createPostgresAuditTrail(app);
const auditor = createAuditor({ ...basics, trail, randomBytes });

/** What an operator sends; anything else in it is an answer with what is wrong. */
const MEMBERS = ['slug', 'name', 'email', 'owner_name'] as const;
type TenantEvent = { readonly [member in (typeof MEMBERS)[number]]?: unknown };

function requireEvent(event: unknown): asserts event is TenantEvent {
  const allowed = `allowed: an object of ${MEMBERS.join(', ')}`;
  if (typeof event !== 'object' || event === null || Array.isArray(event)) {
    throw new CloudFlowError('REQUEST_INVALID', `the event is no object; ${allowed}`);
  }
  const unknown = Object.keys(event).filter((name) => !MEMBERS.some((member) => member === name));
  if (unknown.length > 0) {
    const given = unknown.map((name) => JSON.stringify(name)).join(', ');
    throw new CloudFlowError('REQUEST_INVALID', `the event has ${given}; ${allowed}`);
  }
}

/**
 * Makes a tenant and its first owner, whom the answer's token lets set a password. Safe to repeat.
 * Who may invoke it may make tenants, so nobody but operators of the account is allowed to.
 */
async function make(event: unknown) {
  const text = (value: unknown): string => (typeof value === 'string' ? value : '');
  try {
    requireEvent(event);
    const made = await makeFirstOwner(
      {
        users: createPostgresUsers(app),
        oneTime: createPostgresOneTimeTokens(app),
        maker,
        auditor,
        hasher: null,
        clock,
        ids,
        randomBytes,
      },
      {
        slug: text(event.slug),
        name: text(event.name) || text(event.slug),
        email: text(event.email),
        ownerName: text(event.owner_name) || null,
      },
    );
    log.info('TENANT_MADE', { tenant: made.tenant });
    return {
      tenant_id: made.tenant,
      user_id: made.user,
      invitation_token: made.invitation?.token ?? null,
      expires_at:
        made.invitation === null ? null : new Date(made.invitation.expiresAt).toISOString(),
      next:
        made.invitation === null
          ? `${text(event.slug)} has this owner, who has set a password: sign in, or use the reset of passwords`
          : 'POST /api/v1/auth/invitations/accept with {"token": ..., "password": ...}',
    };
  } catch (error) {
    // A mistake of whoever invokes it wakes nobody.
    if (!(error instanceof CloudFlowError) || error.code !== 'REQUEST_INVALID') throw error;
    return { error: { code: error.code, message: error.message, problems: error.problems } };
  }
}

export const handler = invoked(basics, make);
