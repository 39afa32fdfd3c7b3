import type { Problem } from '#core/errors.ts';
export function checkMachine(_machine: unknown): Problem[] {
  return [];
}
