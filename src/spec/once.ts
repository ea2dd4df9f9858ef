/** What is made of `key`, made once as long as the key lives. For keys that never change: a change makes a new one. */
export function once<K extends object, V>(known: WeakMap<K, V>, key: K, make: (key: K) => V): V {
  const old = known.get(key);
  if (old !== undefined) return old;
  const made = make(key);
  known.set(key, made);
  return made;
}
