import { connectDriver } from '../shared/driver.ts';

const { driver, settled } = connectDriver('step-functions-driver');

/** Looks for work. On its schedule it also compares what runs with what has ended; a nudge does not. */
export async function handler(event: { readonly Records?: readonly unknown[] }): Promise<void> {
  await driver.look();
  if (event.Records === undefined) await driver.reconcile();
  await settled();
}
