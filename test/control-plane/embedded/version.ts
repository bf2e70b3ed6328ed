/** What the stand-in calls itself; every output of the project names which control plane ran. */

export const EMBEDDED_VERSION = 'v1.35.4+baton-embedded';

/** k3s's own two lines, so that whatever parses k3s's answer parses this one. */
export const versionText = (): string =>
  `k3s version ${EMBEDDED_VERSION} ` +
  "(stand-in for tests: kine's table and a small API in TypeScript)\n" +
  `node version ${process.version}\n`;
