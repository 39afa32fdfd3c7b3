import { fromEnv } from '@aws-sdk/credential-provider-env';

/**
 * What the build puts in place of the AWS clients' chain of credential providers, in functions only:
 * Lambda gives credentials in the environment, and files, single sign-on and metadata services, which
 * the chain also knows, are 100 KB that no function can use.
 */
export const defaultProvider = () => fromEnv();
