/** Log lines in k3s's form (logrus text), on stderr. */

const write = (level: string, message: string): void => {
  const quoted = JSON.stringify(message);
  process.stderr.write(`time="${new Date().toISOString()}" level=${level} msg=${quoted}\n`);
};

export const info = (message: string): void => write('info', message);
export const warn = (message: string): void => write('warning', message);
export const fatal = (message: string): void => write('fatal', message);
