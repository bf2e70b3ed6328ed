/** Test tiers run by vitest; what each tier means stands in test/README.md. */
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/{unit,contract,golden,tidy}/**/*.test.ts'],
    pool: 'threads',
    maxWorkers: 2,
    // Against what hangs, no more: a machine may be busy with other things for minutes.
    testTimeout: 300_000,
    hookTimeout: 300_000,
    reporters: ['default'],
  },
});
