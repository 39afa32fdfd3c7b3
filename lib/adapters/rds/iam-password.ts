import { Signer } from '@aws-sdk/rds-signer';

/**
 * Passwords that IAM signs, for Aurora and its proxy. Each is good for 15 minutes and is looked at only
 * when a session begins, so every session asks for its own. Signed here, without a request; region and
 * credentials are those of the process.
 */
export function createIamPassword(databaseUrl: string): (role: string) => Promise<string> {
  const { hostname, port } = new URL(databaseUrl);
  return (role) =>
    new Signer({
      hostname,
      port: port === '' ? 5432 : Number(port),
      username: role,
    }).getAuthToken();
}
