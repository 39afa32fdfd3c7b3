import { invoked } from '../shared/invoked.ts';
import { connectConsumer } from '../shared/kafka-function.ts';

const { basics, answer } = connectConsumer('analytics');

/** Counts executions by tenant, workflow and day. */
export const handler = invoked(basics, answer);
