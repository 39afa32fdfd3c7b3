import { secretAge } from '#core/secret-age.ts';

/** Business time as the API shows it. */
export function iso(at: number): string {
  return new Date(at).toISOString();
}

export function isoOrNull(at: number | null): string | null {
  return at === null ? null : iso(at);
}

/** How old a secret is that is kept under this name, as the API shows it. */
export function presentAge(keptAs: string | undefined): {
  readonly set_at: string | null;
  readonly turn_by: string | null;
} {
  const age = keptAs === undefined ? null : secretAge(keptAs);
  return {
    set_at: isoOrNull(age?.setAt ?? null),
    turn_by: isoOrNull(age?.turnBy ?? null),
  };
}
