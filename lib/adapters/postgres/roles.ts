/**
 * Who may do what to which table: the whole matrix as data. Migrations grant it and a
 * test compares it with what the server says, so a table without a line here fails the build.
 * Nobody has rights on a partition: a partition would be read past its parent's policies.
 */
export const ROLES = [
  'cloudflow_app',
  'cloudflow_engine',
  'cloudflow_relay',
  'cloudflow_login',
  'cloudflow_lookup',
  'cloudflow_auditor',
  'cloudflow_warden',
] as const;
export type Role = (typeof ROLES)[number];

export type Privilege = 'select' | 'insert' | 'update' | 'delete';

export interface TableRule {
  /** Row-level security, forced: rows of one tenant only, or rows of all for roles said so. */
  readonly tenant: boolean;
  readonly grants: { readonly [role in Role]?: readonly Privilege[] };
}

const all = ['select', 'insert', 'update', 'delete'] as const;

export const TABLES: Readonly<Record<string, TableRule>> = {
  tenants: {
    tenant: true,
    // `update` of its name and settings only.
    grants: {
      cloudflow_app: ['select'],
      cloudflow_lookup: ['select'],
      // Of operators' functions, which make tenants; its `update` is of a short name alone.
      cloudflow_relay: ['select', 'insert'],
      cloudflow_auditor: ['select'],
    },
  },
  users: {
    tenant: true,
    grants: { cloudflow_app: ['select', 'insert', 'update'], cloudflow_lookup: ['select'] },
  },
  roles: { tenant: true, grants: { cloudflow_app: all, cloudflow_lookup: ['select'] } },
  sessions: {
    tenant: true,
    grants: {
      cloudflow_app: all,
      cloudflow_lookup: ['select'],
      cloudflow_relay: ['select', 'delete'],
    },
  },
  refresh_tokens: { tenant: true, grants: { cloudflow_app: all, cloudflow_lookup: ['select'] } },
  one_time_tokens: {
    tenant: true,
    grants: {
      cloudflow_app: all,
      cloudflow_lookup: ['select'],
      cloudflow_relay: ['select', 'delete'],
    },
  },
  identity_providers: { tenant: true, grants: { cloudflow_app: all } },
  external_identities: {
    tenant: true,
    grants: { cloudflow_app: ['select', 'insert', 'delete'] },
  },
  sign_ins: {
    tenant: true,
    grants: {
      cloudflow_app: ['select', 'insert', 'delete'],
      cloudflow_lookup: ['select'],
      cloudflow_relay: ['select', 'delete'],
    },
  },
  second_factors: { tenant: true, grants: { cloudflow_app: all } },
  login_guesses: {
    tenant: false,
    grants: { cloudflow_login: all, cloudflow_relay: ['select', 'delete'] },
  },
  audit_inbox: {
    tenant: true,
    grants: {
      cloudflow_app: ['insert'],
      cloudflow_relay: ['select', 'insert', 'delete'],
      cloudflow_warden: ['insert'],
    },
  },
  audit_events: {
    tenant: true,
    grants: {
      cloudflow_app: ['select'],
      cloudflow_relay: ['select', 'insert'],
      cloudflow_auditor: ['select'],
    },
  },
  audit_chains: {
    tenant: true,
    grants: { cloudflow_relay: ['select', 'insert', 'update'], cloudflow_auditor: ['select'] },
  },
  audit_heads: {
    tenant: true,
    grants: {
      cloudflow_app: ['select'],
      cloudflow_relay: ['select', 'insert'],
      cloudflow_auditor: ['select'],
    },
  },
  workflow_executions: {
    tenant: true,
    grants: {
      cloudflow_app: ['select', 'insert', 'update'],
      cloudflow_engine: ['select', 'update'],
      cloudflow_auditor: ['select'],
      // Its `update` is of whose it is, and of nothing that the log tells.
      cloudflow_warden: ['select'],
    },
  },
  quarantined_executions: {
    tenant: true,
    grants: {
      cloudflow_app: ['select', 'delete'],
      cloudflow_auditor: ['select'],
      cloudflow_warden: ['select', 'insert'],
    },
  },
  execution_events: {
    tenant: true,
    grants: {
      cloudflow_app: ['select', 'insert'],
      cloudflow_engine: ['select', 'insert'],
      cloudflow_auditor: ['select'],
    },
  },
  workflow_steps: {
    tenant: true,
    grants: {
      cloudflow_app: ['select', 'insert', 'update'],
      cloudflow_engine: ['select', 'insert', 'update'],
      cloudflow_auditor: ['select'],
    },
  },
  execution_checkpoints: {
    tenant: true,
    grants: { cloudflow_app: ['select', 'delete'], cloudflow_engine: all },
  },
  execution_signals: {
    tenant: true,
    grants: {
      cloudflow_app: ['select', 'insert', 'delete'],
      cloudflow_engine: ['select', 'insert', 'delete'],
    },
  },
  execution_commands: {
    tenant: true,
    grants: {
      cloudflow_app: ['select', 'insert', 'update'],
      cloudflow_relay: ['select', 'delete'],
    },
  },
  execution_search: {
    tenant: true,
    grants: { cloudflow_app: ['select', 'insert'], cloudflow_lookup: ['select'] },
  },
  start_gates: {
    tenant: true,
    grants: {
      cloudflow_app: ['select', 'insert', 'update'],
      cloudflow_engine: ['select', 'update'],
    },
  },
  waiting_starts: {
    tenant: true,
    grants: {
      cloudflow_app: ['select', 'insert', 'delete'],
      cloudflow_engine: ['select', 'delete'],
    },
  },
  bulk_operations: {
    tenant: true,
    grants: {
      cloudflow_app: ['select', 'insert', 'update'],
      cloudflow_engine: ['select', 'update'],
      cloudflow_relay: ['select', 'delete'],
    },
  },
  engine_processes: { tenant: false, grants: { cloudflow_engine: all } },
  outbox: {
    tenant: true,
    grants: {
      cloudflow_app: ['insert'],
      cloudflow_engine: ['insert'],
      cloudflow_relay: ['select', 'insert'],
    },
  },
  outbox_offsets: { tenant: false, grants: { cloudflow_relay: all } },
  outbox_leases: { tenant: false, grants: { cloudflow_relay: all } },
  processed_events: { tenant: false, grants: { cloudflow_relay: ['select', 'insert', 'delete'] } },
  mail_tries: { tenant: false, grants: { cloudflow_relay: all } },
  execution_days: {
    tenant: true,
    grants: { cloudflow_app: ['select'], cloudflow_relay: ['select', 'insert', 'update'] },
  },
  usage_records: {
    tenant: true,
    grants: { cloudflow_app: ['select'], cloudflow_relay: ['select', 'insert'] },
  },
  dead_letters: {
    tenant: true,
    // `update` of what becomes of one, and nothing of what it is.
    grants: {
      cloudflow_app: ['select'],
      cloudflow_relay: ['select', 'insert', 'update', 'delete'],
    },
  },
  approvals: {
    tenant: true,
    grants: {
      cloudflow_app: ['select', 'update'],
      cloudflow_engine: ['select', 'insert', 'update'],
    },
  },
  callbacks: {
    tenant: true,
    grants: {
      cloudflow_app: ['select', 'update'],
      cloudflow_engine: ['select', 'insert', 'update'],
      cloudflow_lookup: ['select'],
      cloudflow_relay: ['select', 'delete'],
    },
  },
  idempotency_records: {
    tenant: true,
    grants: { cloudflow_app: all, cloudflow_relay: ['select', 'delete'] },
  },
  api_keys: {
    tenant: true,
    grants: { cloudflow_app: ['select', 'insert', 'update'], cloudflow_lookup: ['select'] },
  },
  workflows: {
    tenant: true,
    grants: { cloudflow_app: ['select', 'insert', 'update'], cloudflow_lookup: ['select'] },
  },
  workflow_versions: {
    tenant: true,
    grants: { cloudflow_app: ['select', 'insert', 'update'], cloudflow_auditor: ['select'] },
  },
  connections: { tenant: true, grants: { cloudflow_app: all } },
  connection_secrets: {
    tenant: true,
    grants: {
      cloudflow_app: ['select', 'insert', 'update'],
      cloudflow_relay: ['select', 'update', 'delete'],
    },
  },
  operations: { tenant: true, grants: { cloudflow_app: all } },
  published_messages: {
    tenant: true,
    grants: { cloudflow_app: ['select', 'insert'], cloudflow_relay: ['select', 'delete'] },
  },
  records: { tenant: true, grants: { cloudflow_app: all, cloudflow_relay: ['select', 'delete'] } },
  signing_keys: {
    tenant: false,
    grants: { cloudflow_app: ['select'], cloudflow_relay: ['select', 'insert', 'delete'] },
  },
  task_tokens: { tenant: true, grants: { cloudflow_engine: all } },
  asl_history: { tenant: false, grants: { cloudflow_engine: ['select', 'insert'] } },
  asl_open: { tenant: false, grants: { cloudflow_engine: ['select', 'insert', 'delete'] } },
};
