/** Where CloudFlow is deployed to; the context key of the CDK app and the variable STAGE. */
export const STAGES = ['dev', 'staging', 'prod'] as const;
export type Stage = (typeof STAGES)[number];

/** Throws a sentence that says what to write instead. */
export function readStage(given: unknown): Stage {
  const stage = STAGES.find((each) => each === given);
  if (stage === undefined) {
    throw new TypeError(`the stage is ${JSON.stringify(given)}; use one of ${STAGES.join(', ')}`);
  }
  return stage;
}
