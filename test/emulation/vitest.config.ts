import { defineConfig } from 'vitest/config';

// Not part of `npm test`: it needs Python with packages of its own (README, "Commands").
export default defineConfig({
  test: { include: ['test/emulation/**/*.test.ts'], testTimeout: 120_000, hookTimeout: 60_000 },
});
