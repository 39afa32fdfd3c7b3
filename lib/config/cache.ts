/**
 * What programs may do in the cache, as its own rules of access say it: read and write keys, run scripts,
 * ask which node holds what and what time it is there. Listing or emptying the keys of everybody is for none of them.
 */
export const CACHE_ACCESS = [
  'on',
  '~*',
  'resetchannels',
  '-@all',
  '+@read',
  '+@write',
  '+@scripting',
  '+@connection',
  '+cluster|slots',
  '+cluster|shards',
  '+time',
  '-@dangerous',
].join(' ');

/** Of the user that whoever names none would be. */
export const NO_ACCESS = 'off ~* resetchannels -@all';

/** Not the usual one, which is what strangers try first. */
export const CACHE_PORT = 6380;
