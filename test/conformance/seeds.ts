/** The seeds of every run of the suite: the same workflows on every machine. */
export const FIRST_SEED = 1;
export const SEEDS = 2_000;
