import { type Series, type Signal, series } from './signals.ts';

/** One picture of a dashboard. */
export interface Chart {
  readonly title: string;
  readonly lines: Lines;
}

export type Lines = readonly { readonly label: string; readonly signal: Signal }[];

export const line = (label: string, of: Series): Lines[number] => ({ label, signal: series(of) });
