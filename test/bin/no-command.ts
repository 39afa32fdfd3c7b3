import type { OperationId } from '#contract/routes.ts';

/** Why an operation of the API has no command: what people would do instead, or who calls it. */
export const NO_COMMAND: { readonly [Id in OperationId]?: string } = {
  validateWorkflow: '`cloudflow validate` says the same without a platform',
  updateWorkflow: '`cloudflow workflow store` stores further versions as well',
  listHistory: '`cloudflow executions --workflow` lists the same',
  completeCallback: 'for the system that was handed the token, which is its credential',
  failCallback: 'for the system that was handed the token, which is its credential',
  heartbeatCallback: 'for the system that was handed the token, which is its credential',
  getJwks: 'for programs that check access tokens',
  getDiscovery: 'for programs that check access tokens',
  beginSignIn: 'for browsers: `cloudflow login --sso` prints its address',
  finishSignIn: 'for browsers on their way back from an identity provider',
  finishSamlSignIn: 'for browsers on their way back from an identity provider',
  getSamlMetadata: 'for identity providers, which fetch it by its address',
  getFrontPage: 'for browsers',
  getWorkflowSchema: 'for editors, which fetch it by its address',
  getOpenApi: 'for generators of clients, which fetch it by its address',
  getHealth: 'for load balancers; `cloudflow health` asks for more',
};
