/** Authenticators of users, and their recovery codes. Secrets are sealed before they come here. */
export interface SecondFactors {
  find(tenant: string, user: string): Promise<SecondFactor | null>;
  /** Begins anew, where none is confirmed. `confirmed`: one is, and stays. */
  begin(
    factor: { readonly tenant: string; readonly user: string; readonly secret: Uint8Array },
    now: number,
  ): Promise<'begun' | 'confirmed'>;
  /** False: there is none to confirm, or this step was used. */
  confirm(
    tenant: string,
    user: string,
    step: number,
    recovery: readonly Uint8Array[],
    now: number,
  ): Promise<boolean>;
  /** Uses a step up: true for one call of all that name it or an earlier one. */
  useStep(tenant: string, user: string, step: number): Promise<boolean>;
  /** Uses a recovery code up: true for one call of all that name it. */
  /** `digests`: of one code, under each key that it may have been made with; the one that is kept is used up. */
  useRecovery(tenant: string, user: string, digests: readonly Uint8Array[]): Promise<boolean>;
  /** What it proved within sessions counts no more. */
  remove(tenant: string, user: string): Promise<void>;
}

export interface SecondFactor {
  readonly secret: Uint8Array;
  readonly confirmed: boolean;
  readonly recoveryLeft: number;
}
