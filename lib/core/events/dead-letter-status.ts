/** What becomes of a message that nobody could use. */
export const DEAD_LETTER_STATUS_WORDS = ['open', 'redriven', 'discarded'] as const;
export type DeadLetterStatus = (typeof DEAD_LETTER_STATUS_WORDS)[number];
