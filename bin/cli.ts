#!/usr/bin/env node
import { EXIT } from './cli-error.ts';
import { main } from './main.ts';

// A reader that stops reading (`| head`) ends us quietly, as it does every Unix tool.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(EXIT.ok);
  throw error;
});

process.exitCode = await main(process.argv.slice(2));
