/**
 * Keys of the platform that a program turns: a secret each, in which the key that is used stands beside
 * the next one and those before it. Policies in days, read by the program, by alarms and by the docs.
 */
export interface PlatformKey {
  readonly about: string;
  /** From its first use on, so long a key is used. */
  readonly usedDays: number;
  /** So long before its first use the next key stands in the secret, and people are told. */
  readonly aheadDays: number;
  /** So long after its last use a key still opens what it closed; null: as long as there is anything. */
  readonly keptDays: number | null;
}

export const PLATFORM_KEYS = {
  'cursor-key': {
    about: 'cursors of lists',
    usedDays: 90,
    aheadDays: 10,
    keptDays: 90,
  },
  'identity-key': {
    about: 'second factors, refresh tokens, counters of guesses',
    usedDays: 90,
    aheadDays: 10,
    // Secrets of authenticators and recovery codes are kept for as long as their owners keep them.
    keptDays: null,
  },
} as const satisfies Readonly<Record<string, PlatformKey>>;

export type PlatformKeyName = keyof typeof PLATFORM_KEYS;
export const platformKeyNames = Object.keys(PLATFORM_KEYS) as PlatformKeyName[];
