import { domainToASCII } from 'node:url';

/**
 * The one spelling of an address by which it is an account: compatibility characters folded, case
 * folded, the domain in ASCII. Null: not an address. Parts after a plus are kept, since only the
 * receiving side knows whether they mean anything.
 */
export function canonicalAddress(email: string): string | null {
  const folded = email.normalize('NFKC').trim().toLowerCase();
  const at = folded.lastIndexOf('@');
  const local = folded.slice(0, at);
  const domain = domainToASCII(folded.slice(at + 1).replace(/\.$/, ''));
  if (at < 1 || domain === '' || !domain.includes('.')) return null;
  const address = `${local}@${domain}`;
  // Folding can bring forth what the schema refused: a full-width @ or a blank.
  return /^[^\s@<>"]{1,64}@[^\s@<>"]{1,253}$/.test(address) && address.length <= 254
    ? address
    : null;
}

/**
 * Where mail to an account goes: as it was written, but for what folding changed besides the case of ASCII
 * letters. Else whoever reads mail at another address that folds to this one would prove that it is theirs.
 */
export function mailedTo(email: string, address: string): string {
  const written = email.trim();
  return written.replaceAll(/[A-Z]/g, (letter) => letter.toLowerCase()) === address
    ? written
    : address;
}
