/**
 * Every error code of baton with one line for the reference page. A test holds that the page
 * (shared/errors/ERRORS.md, generated) lists exactly these.
 */
export const errorCodes = {
  'invariant-broken': 'Our own bug: a condition that must always hold did not. The process exits.',
  'file-missing': 'A file that must exist does not.',
  'disk-full': 'The file system has no space left.',
  'permission-denied': 'The operating system refused access.',
  'read-only-file-system': 'The file system is mounted read-only, often a dying SD card.',
  'input-output': 'The device failed to read or write.',
  'file-kind-wrong': 'A directory stands where a file must be, or a file where a directory must.',
  'resources-exhausted': 'Out of file descriptors, processes or memory.',
  'port-in-use': 'Another program listens on the port.',
  'link-refused': 'The peer refused the connection or is not there.',
  'link-key-refused': 'The two ends do not hold the same cluster key.',
  'link-timeout': 'The peer did not answer in time.',
  'frame-broken': 'A frame on a direct link was malformed or too large.',
  'message-invalid': 'A message failed validation or its MAC.',
  'settings-invalid': 'The settings file has an unknown key, a wrong type or a broken rule.',
  'key-missing': 'The cluster key file is missing.',
  'key-invalid': 'The cluster key file does not hold a key.',
  'duplicate-node': 'Two machines run under one node name.',
  'datastore-failed': 'SQLite could not read or write the datastore or its replica.',
  'process-failed': 'A program that baton ran failed.',
} as const;

export type ErrorCode = keyof typeof errorCodes;
