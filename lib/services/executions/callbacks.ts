import type { Body, ResponseBody } from '#contract/routes.ts';
import { CloudFlowError } from '#core/errors.ts';
import type { Signal } from '#core/execution/commands.ts';
import { CALLBACKS_PER_MINUTE } from '#core/rate-limits.ts';
import { PLAIN_ADMISSION, type Principal } from '../identity/principal.ts';
import { notFound } from '../shared/problems.ts';
import type { ExecutionDeps } from './deps.ts';
import { type CallFacts, tracedBy } from './execute-workflow.ts';

type Answer = Extract<
  Signal,
  { kind: 'callback_completed' | 'callback_failed' | 'callback_heartbeat' }
>;
type Accepted = ResponseBody<'completeCallback'>;
type Facts = Pick<CallFacts, 'trace'>;

/** The token is the credential: it allows to answer its one step, and nothing else. */
export async function authenticateToken(
  deps: Pick<ExecutionDeps, 'executions' | 'clock' | 'tokens'>,
  token: string,
): Promise<Principal> {
  const { tenant, mode, tenantPerMinute } = await findCallback(deps, token);
  return {
    ...{ tenant, mode, subject: 'callback', permissions: [], workflows: null },
    ...{ endsAt: null, user: null },
    admission: {
      ...PLAIN_ADMISSION,
      perMinute: { caller: CALLBACKS_PER_MINUTE, tenant: tenantPerMinute },
    },
  };
}

export async function completeCallback(
  deps: ExecutionDeps,
  token: string,
  body: Body<'completeCallback'>,
  facts: Facts = {},
): Promise<Accepted> {
  return answer(deps, token, facts, (step) => ({
    kind: 'callback_completed',
    step,
    result: body.result ?? null,
  }));
}

export async function failCallback(
  deps: ExecutionDeps,
  token: string,
  body: Body<'failCallback'>,
  facts: Facts = {},
): Promise<Accepted> {
  const code = body.code ?? 'CloudFlow.CallbackFailed';
  if (body.code !== undefined && /^(CloudFlow|States)[.]/.test(body.code)) {
    throw new CloudFlowError('REQUEST_INVALID', 'the request does not fit the contract', {
      problems: [
        {
          code: 'REQUEST_INVALID',
          pointer: '/body/code',
          message: 'begins with a prefix that is not yours',
          given: JSON.stringify(body.code.slice(0, 64)),
          allowed: 'a name without the prefixes CloudFlow. and States.',
        },
      ],
    });
  }
  const error = { code, message: body.message ?? 'the callback reported a failure' };
  return answer(deps, token, facts, (step) => ({ kind: 'callback_failed', step, error }));
}

export async function heartbeatCallback(
  deps: ExecutionDeps,
  token: string,
  facts: Facts = {},
): Promise<Accepted> {
  return answer(deps, token, facts, (step) => ({ kind: 'callback_heartbeat', step }));
}

async function answer(
  deps: ExecutionDeps,
  token: string,
  facts: Facts,
  signalOf: (step: string) => Answer,
): Promise<Accepted> {
  const { tenant, executionId, step, runtime } = await findCallback(deps, token);
  const signal = signalOf(step);
  const { kind } = await deps.executions.answerCallback(
    deps.tokens.hashOf(token),
    signal,
    deps.clock.now(),
  );
  if (kind === 'not_found') throw notFound('callback');
  if (kind === 'finished') {
    throw new CloudFlowError(
      'CALLBACK_FINISHED',
      'the callback was answered before, or its step ended',
    );
  }
  deps.hints.signalled({ tenant, executionId, runtime, signal, ...tracedBy(facts) });
  return { execution_id: executionId, step, accepted: true };
}

/** Throws NOT_FOUND for tokens that are unknown or expired: one answer for both. */
async function findCallback(
  deps: Pick<ExecutionDeps, 'executions' | 'clock' | 'tokens'>,
  token: string,
) {
  const found = await deps.executions.findCallback(deps.tokens.hashOf(token), deps.clock.now());
  if (found === null) throw notFound('callback');
  const { tenant, executionId, step, tenantPerMinute } = found;
  const execution = await deps.executions.getExecution(tenant, executionId);
  if (execution === null) throw notFound('callback');
  const { mode, runtime } = execution;
  return { tenant, executionId, step, mode, runtime, tenantPerMinute };
}
