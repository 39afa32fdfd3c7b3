/** What strangers may write to harm who reads it on a terminal, by what it would do. */
export const HOSTILE: { readonly [harm: string]: string } = {
  'paints over a line': '\u001b[1A\u001b[2Kall good',
  'sets the title': '\u001b]0;owned\u0007',
  'is one byte of C1': '\u009b31mred',
  'turns text around': 'invoice\u202egpj.exe',
  'isolates text': '\u2066admin\u2069',
  'goes back to the start': 'FAILED\rCOMPLETED',
  'rings and deletes': '\u0007\b\b\b\u007f',
  'breaks the line': 'a\u2028b\u2029c\u0085d',
  'hides tags': 'a\u{e0041}\u{e007f}',
  'holds NUL': 'a\u0000b',
};

/** Everything that must never reach a terminal, whoever wrote it: all controls but the line end. */
export const RAW = /(?!\n)\p{Cc}|[\u2028-\u202e\u2066-\u2069\u{e0000}-\u{e007f}]/u;
