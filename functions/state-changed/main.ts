import { connectDriver } from '../shared/driver.ts';
import { invoked } from '../shared/invoked.ts';

const { basics, driver, settled } = connectDriver('state-changed');

/** EventBridge says that an execution has ended. What it says of the end is asked again, not believed. */
async function settle(event: { readonly detail: { readonly name: string } }): Promise<void> {
  await driver.settle(event.detail.name);
}

export const handler = invoked(basics, settle, settled);
