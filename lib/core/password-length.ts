/**
 * How long a password is, in characters (code points) of its composed form (NFKC), which is what is hashed.
 * Those that are there already are compared whatever their length: a limit is for who sets one.
 */
export const PASSWORD_LENGTH = { least: 8, most: 128 } as const;

/**
 * How long one may be as it is sent. The same password may come with its letters taken apart, as some
 * keyboards do, and no letter of Unicode has more than four parts (U+1F82, say).
 */
export const MOST_SENT = 4 * PASSWORD_LENGTH.most;
