/**
 * Joins reads of the same thing. A call that arrives while a read is under way waits for the *next*
 * one, so every caller gets what was stored at or after the moment it asked, and a burst of n calls
 * costs two reads. Nothing is kept between bursts.
 */
export function coalesce<K, V>(
  read: (key: K) => Promise<V>,
  nameOf: (key: K) => string,
): (key: K) => Promise<V> {
  const lanes = new Map<string, { running: Promise<V>; next: Promise<V> | null }>();
  const start = (name: string, key: K): Promise<V> => {
    const running = read(key);
    const lane = { running, next: null };
    lanes.set(name, lane);
    const done = () => {
      if (lanes.get(name) === lane && lane.next === null) lanes.delete(name);
    };
    running.then(done, done);
    return running;
  };
  return (key) => {
    const name = nameOf(key);
    const lane = lanes.get(name);
    if (lane === undefined) return start(name, key);
    if (lane.next === null) {
      const begin = () => start(name, key);
      lane.next = lane.running.then(begin, begin);
    }
    return lane.next;
  };
}
