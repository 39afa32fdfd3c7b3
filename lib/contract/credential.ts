/**
 * The form of what callers prove themselves with, as sources of regular expressions: what reads a key
 * (`services/identity/api-key.ts`) and what refuses junk at the door of a deployment take it from here.
 */
export const API_KEY = 'cfk_(live|test)_([0-9A-Za-z]{8})[0-9A-Za-z]{18}([0-9A-Za-z]{6})';

/** A token of ours is a signed JWT: three parts in base64url. */
const ACCESS_TOKEN = '[0-9A-Za-z_-]{1,4096}[.][0-9A-Za-z_-]{1,4096}[.][0-9A-Za-z_-]{1,4096}';

/** The Authorization header; the scheme's letters may be of either case (RFC 9110, 11.1). */
export const AUTHORIZATION = `^[Bb][Ee][Aa][Rr][Ee][Rr] (?:${API_KEY}|${ACCESS_TOKEN})$`;
