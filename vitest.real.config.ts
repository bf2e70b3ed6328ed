/** The tier on the real control plane: `npm run test:real`. It needs Go, or an earlier build. */
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: { include: ['test/real/**/*.test.ts'], maxWorkers: 1, testTimeout: 60_000 },
});
