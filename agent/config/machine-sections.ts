/**
 * Sections of agent.yaml about this machine: the revision stream, paths, network and broker.
 */
import { choice, duration, forms, group, integer, port, text } from '../../shared/config/schema.ts';

export const streamSection = group('The revision stream from the master to the receivers.', {
  max_batch_rows: integer({
    default: 500,
    min: 1,
    max: 100_000,
    description: 'Most rows that are read in one transaction.',
    why: 'Such a read lasts about 2 ms; one of 4 s stalled a writer for 3.4 s.',
  }),
  max_batch_bytes: integer({
    default: 262_144,
    min: 1024,
    max: 16_777_216,
    unit: 'bytes',
    description: 'About the most bytes that are read in one transaction; one row always is.',
    why: 'Fits one frame; while it is sent, several copies of a batch are in memory.',
  }),
  window_bytes: integer({
    default: 1_048_576,
    min: 1024,
    max: 67_108_864,
    unit: 'bytes',
    description: 'Bytes on the way to one receiver before the sender waits.',
    why: 'Keeps a link of 100 Mbit/s busy; more would only grow the memory.',
  }),
  digest_interval_ms: duration({
    default: 600_000,
    min: 1000,
    max: 86_400_000,
    description: 'How often the live state of replica and master is compared.',
    why: 'It reads every live object; a difference never heals by itself, so minutes are enough.',
  }),
  archive_interval_ms: duration({
    default: 30_000,
    min: 1000,
    max: 86_400_000,
    description: 'How often token, manifests and configuration are looked at for a change.',
    why: 'People change them by hand, and a look is a few stat calls.',
  }),
  whole_copy_interval_ms: duration({
    default: 30_000,
    min: 1000,
    max: 86_400_000,
    description: 'How often the whole datastore is copied when kine’s schema is unknown.',
    why: 'What may be lost meanwhile against what a copy costs; said loudly while it lasts.',
  }),
  replica_save_interval_ms: duration({
    default: 3_600_000,
    min: 60_000,
    max: 604_800_000,
    description: 'How often a receiver writes its replica from RAM to the disk.',
    why: 'SD cards live on this; a power cut of everything finds at worst an hour-old replica.',
  }),
  redial_delay_ms: duration({
    default: 500,
    min: 10,
    max: 60_000,
    description: 'Pause before a receiver dials its master again.',
    why: 'Short against the lease, long against a refused connection.',
  }),
  dial_timeout_ms: duration({
    default: 2000,
    min: 50,
    max: 60_000,
    description: 'How long one attempt to connect may take.',
    why: 'A TLS handshake on a loaded Pi takes tenths of a second.',
  }),
  silence_limit_ms: duration({
    default: 6000,
    min: 300,
    max: 600_000,
    description: 'A receiver that hears nothing for this long dials again.',
    why: 'The sender beats at a third of it, so two beats may be lost.',
  }),
});

export const pathsSection = group('Where things are on this machine.', {
  run_dir: text({
    form: forms.path,
    default: '/run/baton',
    description: 'Run record and control socket; in memory, gone after a reboot.',
    why: 'A record that outlived its boot would break the silence after a boot.',
  }),
  state_dir: text({
    form: forms.path,
    default: '/var/lib/baton',
    description: 'Disk record, saved replica, quarantine; survives a reboot.',
    why: 'The usual place for a daemon’s state.',
  }),
  replica_dir: text({
    form: forms.path,
    default: '/run/baton/replica',
    description:
      'The replica; in memory (tmpfs). It stops growing where an eighth of that file system, at ' +
      'most 64 MiB, is left to others.',
    why: 'Every revision is written there, which would wear a card out.',
  }),
  k3s_data_dir: text({
    form: forms.path,
    default: '/var/lib/rancher/k3s',
    description:
      'The data directory of k3s. Outside /var/lib the unit of the agent needs it in ' +
      '`ReadWritePaths=` (systemd/INSTALL.md); it says so when it cannot write there.',
    why: 'The one k3s takes.',
    needsRestart: 'server',
  }),
  k3s_config_dir: text({
    form: forms.path,
    default: '/etc/rancher/k3s',
    description: 'The configuration directory of k3s. Outside /etc the same.',
    why: 'The one k3s takes.',
    needsRestart: 'server',
  }),
  hosts_file: text({
    form: forms.path,
    default: '/etc/hosts',
    description: 'The file whose `baton-api` line follows the master.',
    why: 'Read at once by every resolver on the machine.',
  }),
  boot_id_file: text({
    form: forms.path,
    default: '/proc/sys/kernel/random/boot_id',
    description: 'The file that names this boot.',
    why: 'The kernel’s own; the demo gives each of its nodes another.',
  }),
  lease_file: text({
    form: forms.path,
    default: '/run/baton/lease',
    description: 'The file that gate and dead man’s switch judge.',
    why: 'The units name the same path; whoever changes one changes the other.',
  }),
});

export const networkSection = group('The network of this machine.', {
  data_path_gate: choice(['nft', 'none'], {
    default: 'nft',
    description: 'What shuts the API’s ports at the self-fence deadline: the kernel, or nothing.',
    why: 'Only the kernel is in time when the machine stalls; the demo has no right to it.',
  }),
});

export const mqttSection = group('The read-only broker on this machine, for people.', {
  reader_address: text({
    form: forms.loopback,
    default: '127.0.0.1',
    description: 'Where `mosquitto_sub -v -t "baton/#"` may connect without a key.',
    why: 'Nobody from elsewhere reads without a key.',
  }),
  reader_port: port({
    default: 1883,
    description: 'Its TCP port.',
    why: 'The registered port of MQTT, so that mosquitto_sub needs no option.',
  }),
});
