import { readEnv } from '#config/env.ts';
import { openKafka } from '#functions/shared/relay.ts';
import { runEngine } from '#functions/shared/run-engine.ts';
import { listenForCommands } from '#services/events/commands.ts';
import { createObedience } from '#services/events/obey-commands.ts';

const env = readEnv('engine', process.env);

// Topics get what the outbox holds from whichever engine has their lease; commands wake whichever engine reads them.
await runEngine('engine', env, (basics, engine, { signals }) => {
  if (env.KAFKA_CLUSTER_ARN === '') return null;
  const { clock, log, tracer } = basics;
  const { kafka, close } = openKafka(basics, env);
  const { hints } = engine;
  const obedience = createObedience({ signals, hints, replies: kafka, clock, log, tracer });
  return { commands: listenForCommands(kafka, engine, obedience), close };
});
