import {
  accountVariable,
  PLACEHOLDER_ACCOUNT,
  type StageSettings,
} from '#config/stage-settings.ts';
import { STAGES } from '#config/stages.ts';

/** What a synth made, for whoever named no stage and no account too. `folder`: where the templates are. */
export function synthDone(
  { stage, region, account }: Pick<StageSettings, 'stage' | 'region' | 'account'>,
  stacks: number,
  folder: string,
): string {
  const others = STAGES.filter((each) => each !== stage).map((each) => `-c stage=${each}`);
  const whose =
    account === PLACEHOLDER_ACCOUNT
      ? `account ${account} is a placeholder: -c account= or ${accountVariable(stage)} names yours`
      : `account ${account}`;
  return `stage ${stage} in ${region}: ${stacks} stacks in ${folder}; ${whose}; other stages: ${others.join(', ')}\n`;
}
