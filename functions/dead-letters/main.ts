import { invoked } from '../shared/invoked.ts';
import { connectConsumer } from '../shared/kafka-function.ts';

const { basics, answer } = connectConsumer('dead-letters');

/** Lists what a person must see to. */
export const handler = invoked(basics, answer);
