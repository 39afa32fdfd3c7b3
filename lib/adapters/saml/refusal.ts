import type { SamlRefusal } from './answer.ts';

/** Carries a reason out of the depths of reading; never leaves this folder. */
export class Refused extends Error {
  readonly reason: SamlRefusal;

  constructor(reason: SamlRefusal) {
    super(reason);
    this.name = 'Refused';
    this.reason = reason;
  }
}
