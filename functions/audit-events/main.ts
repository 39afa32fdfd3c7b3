import { invoked } from '../shared/invoked.ts';
import { connectConsumer } from '../shared/kafka-function.ts';

const { basics, answer } = connectConsumer('audit-events');

/** Tells the audit trail what became of executions. */
export const handler = invoked(basics, answer);
