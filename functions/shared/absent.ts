import { stepErrorCode } from '#core/errors.ts';
import type { StepDeps } from '#steps/deps.ts';
import type { RunnerDeps } from '#steps/runner/task.ts';

const SAID = 'workflows of the platform reach nobody outside';
const refused = { code: stepErrorCode('Rejected'), message: SAID };
const never = (): Promise<never> => Promise.reject(new TypeError(SAID));

/**
 * What tenants' workflows have and the platform's have not. No definition of the platform's can ask for
 * any of it (`PLATFORM_STEP_TYPES`); whatever asked all the same is refused here.
 */
export const ABSENT: Pick<
  StepDeps,
  'connections' | 'secrets' | 'http' | 'databases' | 'outbox' | 'children' | 'publicUrl'
> = {
  connections: { find: () => Promise.resolve(null), findOperation: () => Promise.resolve(null) },
  secrets: { get: () => Promise.resolve(null), put: never, delete: never },
  http: {
    request: () => Promise.resolve({ ok: false, reason: 'refused', message: SAID }),
    close: () => Promise.resolve(),
  },
  databases: {
    run: () => Promise.resolve({ ok: false, reason: 'refused', message: SAID }),
    close: () => Promise.resolve(),
  },
  outbox: { publish: never },
  children: {
    start: () => Promise.resolve({ kind: 'refused', error: refused }),
    ended: () => Promise.resolve(null),
  },
  publicUrl: '',
};

/** Nobody else starts, signals or lists executions of the platform. */
export const ALONE: Pick<RunnerDeps['executions'], 'getExecution' | 'signal'> = {
  getExecution: () => Promise.resolve(null),
  signal: () => Promise.resolve({ kind: 'not_found' }),
};
