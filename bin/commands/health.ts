import { createClient } from '#client/client.ts';
import { facts } from '../output/facts.ts';
import type { Terminal } from '../output/terminal.ts';
import type { Place } from '../session.ts';

/** What does not answer is a refusal of the platform, with its name; who cannot be reached at all, too. */
export async function health(terminal: Terminal, { baseUrl }: Place): Promise<void> {
  // Asked once: whoever asks wants to know how it is now.
  const found = await createClient({ baseUrl, maxRetries: 0 }).getReadiness();
  if (terminal.json) {
    terminal.document(found);
    return;
  }
  terminal.out(facts(terminal, [['platform', baseUrl], ...Object.entries(found.checks)]));
}
