import { expect, it } from 'vitest';
import { createRealDeadlines } from '#adapters/local/real-deadlines.ts';

it('a deadline aborts its signal when its time is up, and never once it is cleared', async () => {
  const deadlines = createRealDeadlines();
  const cleared = deadlines.after(5);
  cleared.clear();
  cleared.clear();
  const due = deadlines.after(20);
  await new Promise((resolve) => due.signal.addEventListener('abort', resolve));
  expect(due.signal.aborted).toBe(true);
  expect(cleared.signal.aborted).toBe(false);
});
