import { resourceNames } from './resources.ts';
import { aws, type Series } from './signals.ts';

/** What the service level is measured by: requests to the API, and those that failed by our fault. */
export function indicatorOf(stage: string): { readonly all: Series; readonly failed: Series } {
  const { api, apiStage } = resourceNames(stage);
  const at = { ApiName: api, Stage: apiStage };
  return {
    all: aws('AWS/ApiGateway', 'Count', 'SampleCount', at),
    failed: aws('AWS/ApiGateway', '5XXError', 'Sum', at),
  };
}
