import type { Client } from '#client/client.ts';
import type { ResponseBody } from '#contract/routes.ts';
import type { Terminal } from '../output/terminal.ts';
import { ask } from '../prompt.ts';

/**
 * Begins to enrol an authenticator. Who sits at a terminal is asked for its first code; elsewhere
 * `cloudflow mfa confirm` brings it.
 */
export async function enrol(terminal: Terminal, client: Client): Promise<void> {
  const enrolment = await client.enrolTotp();
  if (terminal.json) {
    terminal.document(enrolment);
    return;
  }
  terminal.out(`${terminal.style('bold', 'secret')}  ${enrolment.secret}\n`);
  terminal.out(`${terminal.style('bold', 'URI')}     ${enrolment.uri}\n`);
  if (process.stdin.isTTY) {
    await confirm(
      terminal,
      client,
      await ask('code of the authenticator', { hidden: false, instead: '`cloudflow mfa confirm`' }),
    );
    return;
  }
  terminal.err(
    `${terminal.style('dim', 'it counts once `cloudflow mfa confirm CODE` has brought a code of it')}\n`,
  );
}

/** The authenticator counts from now on. Recovery codes are said once, here. */
export async function confirm(terminal: Terminal, client: Client, code: string): Promise<void> {
  sayCodes(terminal, await client.confirmTotp({ body: { code: code.trim() } }));
}

function sayCodes(terminal: Terminal, answer: ResponseBody<'confirmTotp'>): void {
  if (terminal.json) {
    terminal.document(answer);
    return;
  }
  terminal.out(`${answer.recovery_codes.join('\n')}\n`);
  terminal.err(
    `${terminal.style('dim', 'each of these signs you in once without the authenticator; keep them: they are shown this once')}\n`,
  );
}

/** For what is administrative, of the next half hour. */
export async function prove(terminal: Terminal, client: Client, code: string): Promise<void> {
  await client.stepUp({ body: { code: code.trim() } });
  if (terminal.json) terminal.document({ proven: true });
  else terminal.out('proven for half an hour\n');
}

export async function remove(terminal: Terminal, client: Client, code: string): Promise<void> {
  await client.removeTotp({ body: { code: code.trim() } });
  if (terminal.json) terminal.document({ removed: true });
  else terminal.out('the authenticator is removed; other sessions of yours are over\n');
}
