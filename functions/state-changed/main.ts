import { connectDriver } from '../shared/driver.ts';

const { driver, settled } = connectDriver('state-changed');

/** EventBridge says that an execution has ended. What it says of the end is asked again, not believed. */
export async function handler(event: {
  readonly detail: { readonly name: string };
}): Promise<void> {
  await driver.settle(event.detail.name).finally(settled);
}
