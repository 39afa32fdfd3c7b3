import { invoked } from '../shared/invoked.ts';
import { connectConsumer } from '../shared/kafka-function.ts';

const { basics, answer } = connectConsumer('billing');

/** Writes one record of use for each execution that has ended. */
export const handler = invoked(basics, answer);
