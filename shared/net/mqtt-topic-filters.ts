/**
 * MQTT topic filters as sets of topics (MQTT 3.1.1, 4.7).
 *
 * One question answers all: does everything that `filter` matches lie within `allowed`? A topic is
 * a filter without wildcards, so the same function tells whether a filter matches a topic.
 */

/** True when `allowed` matches every topic that `filter` matches. */
export const filterWithin = (filter: string, allowed: string): boolean => {
  const wanted = filter.split('/');
  const given = allowed.split('/');
  for (const [index, level] of given.entries()) {
    if (level === '#') return true;
    const asked = wanted[index];
    if (asked === undefined || asked === '#') return false;
    if (level !== '+' && level !== asked) return false;
  }
  return wanted.length === given.length;
};

/** True when `filter` matches `topic`; `topic` holds no wildcards. */
export const filterMatches = (filter: string, topic: string): boolean =>
  filterWithin(topic, filter);
