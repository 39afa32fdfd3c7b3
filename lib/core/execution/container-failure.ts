import { type StepError, stepErrorCode } from '#core/errors.ts';

/** Why a container failed when something in it did, in the same words on both runtimes. */
export const containerFailure = {
  for_each: (failed: number, total: number): StepError => ({
    code: stepErrorCode('IterationFailed'),
    message: `${failed} of ${total} iterations failed`,
  }),
  branch: (arm: string): StepError => ({
    code: stepErrorCode('ArmFailed'),
    message: `a step of arm ${arm} failed`,
  }),
  group: (): StepError => ({
    code: stepErrorCode('GroupFailed'),
    message: 'a step of the body failed',
  }),
  loop: (): StepError => ({
    code: stepErrorCode('IterationFailed'),
    message: 'a step of the body failed',
  }),
} as const;
