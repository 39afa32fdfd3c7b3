import type { CompensationType, ConnectorType, StepType } from '#core/plan/program.ts';
import { performDatabaseOperation } from './database-operation.ts';
import type { Connector } from './deps.ts';
import { performHttpRequest } from './http-request.ts';
import { performNotification } from './notification.ts';
import { performPlatformOperation } from './platform-operation.ts';

/**
 * What each step type does outside the core. `pure`: nothing, the core or the state machine answers
 * by itself. A new type does not compile until it answers here.
 */
export const STEP_WORK: { readonly [T in StepType]: WorkOf<T> } = {
  http_request: { kind: 'call', perform: performHttpRequest },
  database_operation: { kind: 'call', perform: performDatabaseOperation },
  notification: { kind: 'call', perform: performNotification },
  platform_operation: { kind: 'call', perform: performPlatformOperation },
  callback: { kind: 'hand_out' },
  approval: { kind: 'approval' },
  sub_workflow: { kind: 'child' },
  transform: { kind: 'pure' },
  wait: { kind: 'pure' },
  for_each: { kind: 'pure' },
  branch: { kind: 'pure' },
  loop: { kind: 'pure' },
  group: { kind: 'pure' },
  fail: { kind: 'pure' },
};

type WorkOf<T extends StepType> = T extends ConnectorType
  ? { readonly kind: 'call'; readonly perform: Connector }
  : { readonly kind: 'hand_out' | 'approval' | 'child' | 'pure' };

/** How each type undoes. A child is started and waited for; the others are one call. */
export const COMPENSATION_WORK: {
  readonly [T in CompensationType]: T extends ConnectorType ? 'call' : 'child';
} = {
  http_request: 'call',
  database_operation: 'call',
  notification: 'call',
  platform_operation: 'call',
  sub_workflow: 'child',
};
