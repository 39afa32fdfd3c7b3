import { connectDriver } from '../shared/driver.ts';
import { invoked } from '../shared/invoked.ts';

const { basics, driver, settled } = connectDriver('step-functions-driver');

/** Looks for work. On its schedule it also compares what runs with what has ended; a nudge does not. */
async function look(event: { readonly Records?: readonly unknown[] }): Promise<void> {
  await driver.look();
  if (event.Records === undefined) await driver.reconcile();
}

export const handler = invoked(basics, look, settled);
