/**
 * Keys, certificates and credentials below <data-dir>/server. CAs and the service-account key are
 * made once and then belong to the bootstrap data; everything else follows from them and is made
 * anew at every start, because addresses may differ.
 *
 * Only here, as on the real stand-in: `cred/admin.token`, the bearer token of tests, derived from
 * the service-account key and hence the same on every node that has taken the cluster over.
 */
import { createHmac, createPrivateKey, randomBytes, X509Certificate } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { bootstrapPaths, writePrivate } from './bootstrap.ts';
import type { ServerConfiguration } from './configuration.ts';
import { makeCertificate, makeKey } from './der.ts';
import { formatToken } from './token.ts';

const AUTHORITY_DAYS = 3650;
const LEAF_DAYS = 365;
const authorities = {
  ServerCA: 'k3s-server-ca',
  ClientCA: 'k3s-client-ca',
  RequestHeaderCA: 'k3s-request-header-ca',
  ETCDServerCA: 'etcd-server-ca',
  ETCDPeerCA: 'etcd-peer-ca',
} as const;

/** Creates every bootstrap file that does not exist yet (k3s: GenServerDeps). */
export const makeMissing = (directory: string, password: string): void => {
  const place = (name: keyof typeof bootstrapPaths) => join(directory, bootstrapPaths[name]);
  const now = Math.floor(Date.now() / 1000);
  for (const [name, prefix] of Object.entries(authorities)) {
    const own = name as keyof typeof authorities;
    if (existsSync(place(own))) continue;
    const common = `${prefix}@${now}`;
    const { key, pem } = makeKey();
    const wish = { common, names: [], authority: true, lifetimeDays: AUTHORITY_DAYS };
    writePrivate(place(`${own}Key`), pem);
    writePrivate(place(own), makeCertificate(wish, key, { common, key }));
  }
  const texts = {
    ServiceKey: () => makeKey().pem,
    PasswdFile: () => `${password},node,node,k3s:agent\n${password},server,server,k3s:server\n`,
    IPSECKey: () => `${randomBytes(48).toString('hex')}\n`,
  };
  for (const [name, text] of Object.entries(texts)) {
    const path = place(name as keyof typeof texts);
    if (!existsSync(path)) writePrivate(path, text());
  }
};

/** The names and addresses that a client may call this server by. */
const servingNames = (configuration: ServerConfiguration): string[] => {
  const { nodeName, nodeIp, bindAddress, advertiseAddress, sans } = configuration;
  const fixed = ['kubernetes', 'kubernetes.default', 'kubernetes.default.svc', 'localhost'];
  const all = [
    ...fixed,
    '127.0.0.1',
    '::1',
    nodeName,
    nodeIp,
    bindAddress,
    advertiseAddress,
    ...sans,
  ];
  return [...new Set(all)].filter((name) => name !== '' && name !== '0.0.0.0' && name !== '::');
};

/** Where this machine reaches the API. */
const serverUrl = ({ bindAddress, port }: ServerConfiguration): string =>
  `https://${bindAddress === '' || bindAddress === '0.0.0.0' ? '127.0.0.1' : bindAddress}:${port}`;

const writeKubeconfigs = (
  configuration: ServerConfiguration,
  directory: string,
  caFile: string,
  adminToken: string,
): void => {
  const text = `apiVersion: v1
kind: Config
clusters:
- name: default
  cluster:
    server: ${serverUrl(configuration)}
    certificate-authority-data: ${Buffer.from(caFile).toString('base64')}
contexts:
- name: default
  context: {cluster: default, user: default}
current-context: default
users:
- name: default
  user:
    token: ${adminToken}
`;
  writePrivate(join(directory, 'cred/admin.kubeconfig'), text);
  if (configuration.kubeconfig === '') return;
  mkdirSync(dirname(configuration.kubeconfig), { recursive: true });
  writeFileSync(configuration.kubeconfig, text);
  chmodSync(configuration.kubeconfig, configuration.kubeconfigMode);
};

/** A CA names itself in one field; its leaves must repeat that name to the byte. */
const issuerName = (caFile: string): string =>
  new X509Certificate(caFile).subject.replace(/^CN=/, '');

/** What the API listens with. PEM texts; `certificate` has the CA behind it. */
export interface ServerCredentials {
  readonly certificate: string;
  readonly key: string;
  readonly caFile: string;
  readonly adminToken: string;
}

/** Makes everything that follows from the bootstrap data. `directory` is <data-dir>/server. */
export const writeDerived = (
  configuration: ServerConfiguration,
  directory: string,
  password: string,
): ServerCredentials => {
  const read = (name: keyof typeof bootstrapPaths) =>
    readFileSync(join(directory, bootstrapPaths[name]), 'utf8');
  const caFile = read('ServerCA');
  const serviceKey = read('ServiceKey');
  const issuer = { common: issuerName(caFile), key: createPrivateKey(read('ServerCAKey')) };
  const { key, pem } = makeKey();
  const names = servingNames(configuration);
  const wish = { common: 'kube-apiserver', names, authority: false, lifetimeDays: LEAF_DAYS };
  const certificate = makeCertificate(wish, key, issuer) + caFile;
  const adminToken = createHmac('sha256', serviceKey)
    .update('baton test administrator')
    .digest('hex');
  writePrivate(join(directory, 'tls/serving-kube-apiserver.crt'), certificate);
  writePrivate(join(directory, 'tls/serving-kube-apiserver.key'), pem);
  writePrivate(join(directory, 'token'), `${formatToken(password, caFile)}\n`);
  writePrivate(join(directory, 'cred/admin.token'), `${adminToken}\n`);
  if (!existsSync(join(directory, 'node-token')))
    symlinkSync('token', join(directory, 'node-token'));
  writeKubeconfigs(configuration, directory, caFile, adminToken);
  return { certificate, key: pem, caFile, adminToken };
};
