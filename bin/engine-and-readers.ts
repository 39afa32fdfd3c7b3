import { readEnv } from '#config/env.ts';
import { openReaders } from '#functions/shared/readers.ts';
import { runEngine } from '#functions/shared/run-engine.ts';
import { listenForCommands } from '#services/events/commands.ts';

const env = readEnv('engine-and-readers', process.env);

// Where a stage has no Kafka: commands and events are read in the database, and nobody asks engines anything.
await runEngine('engine-and-readers', env, (basics, engine) => {
  const { events, close } = openReaders(basics, env);
  return { commands: listenForCommands(events, engine, null), close };
});
