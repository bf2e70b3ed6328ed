/**
 * Who wrote an object: the field managers in its metadata, for the list of lone revisions.
 *
 * Built-in kinds are stored as protobuf (`k8s\0`, then runtime.Unknown whose field 2 holds the
 * object; ObjectMeta is field 1 of every kind, managedFields its field 17, manager field 1
 * there); custom resources as JSON. Best effort: anything unexpected gives no names.
 * Source: k8s.io/apimachinery generated.proto (v0.35).
 */

const MAGIC = Buffer.from('k8s\0', 'latin1');

/** Contents of every length-delimited field `wanted` of a message; stops at anything broken. */
const fieldsOf = (message: Buffer, wanted: number): Buffer[] => {
  const found: Buffer[] = [];
  const from = { at: 0 };
  while (from.at < message.length) {
    const key = varint(message, from);
    if (key === null) break;
    const kind = key & 7;
    if (kind === 0) {
      if (varint(message, from) === null) break;
    } else if (kind === 2) {
      const length = varint(message, from);
      if (length === null || from.at + length > message.length) break;
      if (key >>> 3 === wanted) found.push(message.subarray(from.at, from.at + length));
      from.at += length;
    } else if (kind === 1 || kind === 5) from.at += kind === 1 ? 8 : 4;
    else break;
  }
  return found;
};

/** A varint of up to 32 bits; null at the end of the bytes or when it is longer. */
const varint = (message: Buffer, from: { at: number }): number | null => {
  let value = 0;
  for (let shift = 0; shift < 70; shift += 7) {
    const byte = message[from.at++];
    if (byte === undefined) return null;
    if (shift < 32) value = (value | ((byte & 0x7f) << shift)) >>> 0;
    if ((byte & 0x80) === 0) return value;
  }
  return null;
};

const jsonWriters = (text: string): string[] => {
  try {
    const managed: unknown = JSON.parse(text)?.metadata?.managedFields;
    if (!Array.isArray(managed)) return [];
    return managed.map((entry) => String(entry?.manager ?? '')).filter((name) => name !== '');
  } catch {
    // Not JSON either: an object of a kind that we cannot read has no known writer.
    return [];
  }
};

/** Field managers of a stored object, each once; empty when they cannot be told. */
export const writersOf = (value: Uint8Array | string | null): readonly string[] => {
  if (value === null) return [];
  const bytes = Buffer.from(value);
  if (!bytes.subarray(0, MAGIC.length).equals(MAGIC)) {
    return [...new Set(jsonWriters(bytes.toString('utf8')))];
  }
  const [object] = fieldsOf(bytes.subarray(MAGIC.length), 2);
  const [metadata] = object === undefined ? [] : fieldsOf(object, 1);
  if (metadata === undefined) return [];
  const managers = fieldsOf(metadata, 17).flatMap((entry) => fieldsOf(entry, 1));
  return [...new Set(managers.map((name) => name.toString('utf8')).filter((name) => name !== ''))];
};
