import type { Json } from '#core/json.ts';
import { hashOf } from './random.ts';

/**
 * What is outside: receivers that answer calls, people, children. What happens to a call depends on
 * its key and attempt alone, so that a run with crashes can be compared with one without.
 */
export type Reaction =
  | { readonly kind: 'ok'; readonly ms: number; readonly output: Json }
  /** `effect`: it was done, and the answer was lost. */
  | {
      readonly kind: 'error';
      readonly ms: number;
      readonly code: string;
      readonly effect: boolean;
    };

export interface Effect {
  readonly kind: 'call' | 'compensate';
  readonly step: string;
  readonly attempt: number;
  readonly at: number;
  /** The host that called, by epoch. */
  readonly host: number;
  readonly effect: boolean;
  readonly reaction: Reaction;
}

export class World {
  readonly effects: Effect[] = [];
  readonly requested = new Set<string>();
  private readonly seed: number;

  constructor(seed: number) {
    this.seed = seed;
  }

  call(kind: Effect['kind'], step: string, attempt: number, at: number, host: number): Reaction {
    const reaction = this.reactionTo(kind, step, attempt);
    const effect = reaction.kind === 'ok' || reaction.effect;
    this.effects.push({ kind, step, attempt, at, host, effect, reaction });
    return reaction;
  }

  reactionTo(kind: Effect['kind'], step: string, attempt: number): Reaction {
    const dice = this.dice(`${kind}:${step}#${attempt}`);
    const ms = dice % 5 === 0 ? 0 : (dice >>> 8) % 3_000;
    const share = (dice >>> 3) % 100;
    if (share < 60) return { kind: 'ok', ms, output: { step, attempt, n: dice % 10 } };
    if (share < 76) return { kind: 'error', ms, code: 'CloudFlow.Transient', effect: false };
    if (share < 90) return { kind: 'error', ms: 10_000, code: 'CloudFlow.Timeout', effect: true };
    if (share < 95) return { kind: 'error', ms, code: 'CloudFlow.ClientError', effect: false };
    return { kind: 'error', ms, code: 'Custom.Refused', effect: false };
  }

  dice(name: string): number {
    return hashOf(`${this.seed}/${hashOf(name)}/${name}`);
  }
}
