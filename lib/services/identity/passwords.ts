import passwordList from 'fxa-common-password-list';
import { CloudFlowError, type Problem } from '#core/errors.ts';
import { PASSWORD_LENGTH } from '#core/password-length.ts';

/** What is hashed: people type one password in several compositions of the same letters. */
export function normalPassword(password: string): string {
  return password.normalize('NFKC');
}

/**
 * Throws PASSWORD_UNSUITABLE with everything that is wrong. Length and known passwords are looked at, as
 * NIST SP 800-63B asks; classes of characters are not, as it asks too.
 */
export function requireSuitable(
  password: string,
  pointer: string,
  notWithin: readonly string[],
): void {
  const normal = normalPassword(password);
  const length = [...normal].length;
  const problems: Problem[] = [];
  const add = (message: string, allowed: string) =>
    problems.push({ code: 'PASSWORD_UNSUITABLE', pointer, message, allowed });
  const { least, most } = PASSWORD_LENGTH;
  if (length < least || length > most) {
    add(`it has ${length} characters`, `${least} to ${most} characters`);
  }
  if (passwordList.test(normal) || passwordList.test(normal.toLowerCase())) {
    add('it is one of the passwords that are guessed first', 'one that others do not use');
  }
  const lower = normal.toLowerCase();
  if (notWithin.some((word) => word.length >= 4 && lower === word.toLowerCase())) {
    add('it is your own name or address', 'one that does not follow from who you are');
  }
  if (problems.length === 0) return;
  throw new CloudFlowError('PASSWORD_UNSUITABLE', 'this password cannot be used', { problems });
}
